//! The examples below each help text.
//!
//! # Invariants
//! - Each line that begins with `  e2h ` is a command that parses: a test runs them through the parser.

/// Below `e2h --help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  e2h train                                 the whole way, small: base, curriculum, evaluation
  e2h schedule show gaussian                see what a schedule will do
  e2h report runs/a runs/b                  compare two runs on one page

Exit codes: 0 fine, 1 the run failed, 2 wrong usage or configuration, 130 interrupted.";

/// Below `e2h train --help`.
pub(super) const TRAIN: &str = "\
Examples:
  e2h train                                          Countdown, gaussian schedule, seed 1
  e2h train --task blocksworld --schedule balanced   another task, without a curriculum
  e2h train -c mine.toml --set train.lr=5e-5         a file, and one value on top of it
  e2h train --resume runs/countdown-gaussian-1       go on with a run that was stopped
  e2h train --ui plain                               lines, even on a terminal";

/// Below `e2h eval --help`.
pub(super) const EVAL: &str = "\
Examples:
  e2h eval                                   the base that every run starts from
  e2h eval runs/countdown-gaussian-1         the newest checkpoint of a run
  e2h eval runs/a --samples 8 --problems 200  pass@k on 200 problems a level
  e2h eval runs/a --json                     for a script
  e2h eval models/chat --task gsm8k --rows test.jsonl --problems 20   rows of a file";

/// Below `e2h sample --help`.
pub(super) const SAMPLE: &str = "\
Examples:
  e2h sample runs/countdown-gaussian-1 --level 2     three greedy completions
  e2h sample --task blocksworld -n 5 --temperature 1  five draws of the base
  e2h sample -m models/chat Hello!                   one answer, shown while it grows
  e2h sample -m models/chat --chat                   a conversation";

/// Below `e2h inspect --help`.
pub(super) const INSPECT: &str = "\
Examples:
  e2h inspect runs/a --level 2 --outcome wrong   what was wrong at a level
  e2h inspect runs/a --grep left --json          the samples that hold a text, for a script";

/// Below `e2h report --help`.
pub(super) const REPORT: &str = "\
Examples:
  e2h report runs/countdown-gaussian-1       writes report.html into the run's folder
  e2h report runs/a runs/b -o compare.html   runs of one setting and several seeds become one line with a band
  e2h report runs/a --watch                  a page that follows a run, on this machine only
  e2h report runs/a --svg plots              each plot as a file of its own";

/// Below `e2h bench --help`.
pub(super) const BENCH: &str = "\
Examples:
  e2h bench                                                the nano shape on this machine
  e2h bench --preset smollm2-135m --prompts 2 --group 4    a real shape with random weights
  e2h bench --preset qwen2.5-1.5b --device cuda --dtype bf16 --lora --gradient-checkpointing --json";

/// Below `e2h golden --help`.
pub(super) const GOLDEN: &str = "\
Examples:
  e2h golden models/qwen2                          both engines, f32, against expected.safetensors
  e2h golden models --device cuda --dtype bf16     every folder in it, on a GPU
  e2h golden models --json                         for a script";

/// Below `e2h export --help`.
pub(super) const EXPORT: &str = "\
Examples:
  e2h export runs/a > a.csv          one row a step, one column a metric
  e2h export runs/a runs/b -o ab.csv  one file with a column that names the run";

/// Below `e2h tasks --help`.
pub(super) const TASKS: &str = "\
Examples:
  e2h tasks list
  e2h tasks show countdown                         one problem of each level
  e2h tasks gen blocksworld --level 2 -n 100       problems as JSONL
  e2h tasks gen countdown -s max_number=20         the same with another range of numbers
  e2h tasks score countdown answers.jsonl          a verdict for each row
  e2h tasks solve countdown --numbers 3,3,7,7 --target 24
  e2h tasks stats train.jsonl --test test.jsonl    levels, duplicates, overlap
  e2h tasks label gsm8k rows.jsonl --model DIR --out labelled.jsonl";

/// Below `e2h schedule --help`.
pub(super) const SCHEDULE: &str = "\
Examples:
  e2h schedule list
  e2h schedule show gaussian --set sigma=0.75
  e2h schedule show cosine --tokens 60,80,120,200 --group-size 16
  e2h schedule plot gaussian:sigma=0.75,floor=0.05 --levels 5 --steps 300 --svg gaussian.svg
  e2h schedule compare balanced gaussian cosine
  e2h schedule simulate balanced gaussian e2h-a --pass-rates 0.7,0.36,0.14,0.13 --by hard
  e2h schedule replay runs/a sec e2h-a";

/// Below `e2h config --help`.
pub(super) const CONFIG: &str = "\
Examples:
  e2h config show                            every value, and the layer that set it
  e2h config show -c mine.toml --seed 3
  e2h config check -c mine.toml
  e2h config list";

/// Below `e2h base --help`.
pub(super) const BASE: &str = "\
Examples:
  e2h base --task countdown --out models/mine
  e2h base --task countdown --seed 1 --steps 500 --out models/short";

/// Below `e2h model --help`.
pub(super) const MODEL: &str = "\
Examples:
  e2h model info embedded:countdown-nano
  e2h model check models/mine
  e2h model export runs/a --out models/a      the newest checkpoint for other programs
  e2h model merge adapters/a --out models/a   an adapter added to its model's weights";

/// Below `e2h serve --help`.
pub(super) const SERVE: &str = "\
Examples:
  e2h serve -m models/mine                    on http://127.0.0.1:8000, for this machine only
  e2h serve runs/countdown-gaussian-0 --port 0  the newest checkpoint of a run, on a free port
  e2h serve -m models/mine --host 0.0.0.0     for others too; E2H_API_KEY holds the key";

/// Below `e2h sft --help`.
pub(super) const SFT: &str = "\
Examples:
  e2h sft rows.jsonl --model models/mine --out models/tuned
  e2h sft rows.jsonl --model models/mine --out models/tuned --epochs 3 --lr 1e-5
  e2h sft rows.jsonl --model models/mine --out adapters/a --lora 16 --lr 2e-4";

/// Below `e2h doctor --help`.
pub(super) const DOCTOR: &str = "\
Examples:
  e2h doctor
  e2h doctor --json
  e2h doctor scale --step-s 12   where more ranks stop paying for steps of 12 seconds";

/// Below `e2h completions --help`.
pub(super) const COMPLETIONS: &str = "\
Examples:
  e2h completions bash > ~/.local/share/bash-completion/completions/e2h
  e2h completions zsh > ~/.zfunc/_e2h
  e2h completions fish > ~/.config/fish/completions/e2h.fish";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::args::Args;

    /// The command of an example, without its explanation and its redirection.
    fn words(line: &str) -> Vec<&str> {
        let command = line.trim().split("  ").next().unwrap_or_default();
        command.split(" > ").next().unwrap_or_default().split_whitespace().collect()
    }

    #[test]
    fn every_example_parses() {
        let pages = [
            EXAMPLES,
            TRAIN,
            EVAL,
            SAMPLE,
            REPORT,
            EXPORT,
            TASKS,
            SCHEDULE,
            CONFIG,
            BASE,
            SERVE,
            DOCTOR,
            COMPLETIONS,
        ];
        let mut n = 0;
        for line in pages.iter().flat_map(|page| page.lines()).filter(|l| l.starts_with("  e2h ")) {
            let parsed = Args::try_parse_from(words(line));
            assert!(parsed.is_ok(), "{line}: {}", parsed.expect_err("an error"));
            n += 1;
        }
        assert!(n > 25, "only {n} examples");
    }

    #[test]
    fn every_verb_that_is_shown_has_examples_and_the_parser_is_sound() {
        Args::command().debug_assert();
        for verb in Args::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("e2h {}", verb.get_name())), "{}", verb.get_name());
        }
    }
}
