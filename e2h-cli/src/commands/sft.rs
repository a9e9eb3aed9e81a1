//! `e2h sft`: supervised fine-tuning from JSONL rows of prompts and completions, of all weights or of an adapter
//! (`[model.lora]`).

use std::path::{Path, PathBuf};
use std::time::Instant;

use e2h_core::{RootSeed, TokenId, read_jsonl};
use e2h_model::{LanguageModel, Message, TextCodec};
use e2h_rl::{FinetuneConfig, Pair, finetune};
use serde::Deserialize;

use crate::commands::model::{FormatArg, must_be_new};
use crate::commands::train::with_fresh_adapter;
use crate::config::ConfigArgs;
use crate::hints::{Failure, Outcome};
use crate::policy::{self, Placed};
use crate::progress::{Pieces, Work, clock, say};

/// `e2h sft`
#[derive(Debug, clap::Args)]
pub(crate) struct SftArgs {
    /// A JSONL file: {"prompt": TEXT, "completion": TEXT} or {"messages": [.., {"role": "assistant", ..}]}
    rows: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
    /// Where the model is written; must be new or empty
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Passes over the rows; --steps counts updates instead
    #[arg(long, default_value_t = 1, value_name = "N", conflicts_with = "steps", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: u64,
    /// Rows an update
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Peak learning rate
    #[arg(long, default_value_t = 2e-5)]
    lr: f64,
    /// Train a low-rank adapter of this rank and leave the weights alone, as `--set model.lora.rank=RANK`
    #[arg(long, value_name = "RANK")]
    lora: Option<usize>,
    /// Leave rows out that are longer than this, in tokens [default: the model's context]
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Number format of the weights that are written
    #[arg(long, value_enum, default_value_t = FormatArg::Bf16)]
    format: FormatArg,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Row {
    Messages { messages: Vec<Message> },
    Pair { prompt: String, completion: String, system: Option<String> },
}

/// Runs the command.
pub(crate) fn run(args: &SftArgs) -> Outcome {
    if !(args.lr > 0.0 && args.lr <= 1.0) {
        return Err(Failure::usage(format!("--lr is {}", args.lr)).hint("2e-5 is a usual value"));
    }
    must_be_new(&args.out)?;
    let mut layers = args.config.clone();
    layers.sets.extend(args.lora.map(|rank| format!("model.lora.rank={rank}")));
    let config = layers.resolve()?.value;
    let rows = read(&args.rows)?;
    let Placed { policy, place } = policy::place(&config.model)?;
    let mut policy = with_fresh_adapter(policy, &config);
    let pairs = tokens(&rows, &policy, args.max_tokens)?;
    let settings = FinetuneConfig {
        epochs: args.epochs,
        steps: args.config.steps,
        batch: args.batch as usize,
        lr: args.lr,
        token_budget: config.train.token_budget,
        max_grad_norm: config.train.max_grad_norm,
    };
    let (start, steps) = (Instant::now(), settings.n_updates(pairs.len()));
    let dropped = rows.len() - pairs.len();
    say(&format!(
        "{} on {} rows ({dropped} too long), {steps} steps, {place}",
        config.model.base,
        pairs.len()
    ));
    let every = (steps / 20).max(1);
    let mut work = Work::with_own_lines(steps, Pieces::Of("steps"));
    let mut mean = 0.0;
    let mut since = 0.0;
    let trained = finetune(&mut policy, &pairs, &settings, RootSeed(config.seed), |step, loss| {
        (mean, since) = (mean + loss, since + 1.0);
        work.set(step + 1);
        if (step + 1) % every == 0 || step + 1 == steps {
            let (step, loss, left) = (step + 1, mean / since, work.left());
            work.say(&format!("step {step}/{steps}  loss {loss:.4} nat a token{left}"));
            (mean, since) = (0.0, 0.0);
        }
    });
    drop(work);
    trained.map_err(Failure::run)?;
    policy.save(&args.out, args.format.into()).map_err(Failure::run)?;
    say(&format!(
        "done in {}; try it with `e2h sample -m {} \"...\"`",
        clock(start.elapsed().as_secs_f64()),
        args.out.display()
    ));
    Ok(())
}

fn read(file: &Path) -> Outcome<Vec<Row>> {
    let rows: Vec<Row> = read_jsonl(file).map_err(|error| {
        Failure::usage(policy::chain(&error)).hint(
            "a row is {\"prompt\": TEXT, \"completion\": TEXT} or {\"messages\": [{\"role\", \"content\"}, ..]}",
        )
    })?;
    match rows.is_empty() {
        true => Err(Failure::usage(format!("{} has no rows", file.display()))
            .hint("one JSON object a line")),
        false => Ok(rows),
    }
}

/// The rows that fit, in tokens.
fn tokens(rows: &[Row], policy: &LanguageModel, limit: Option<usize>) -> Outcome<Vec<Pair>> {
    let context = policy.engine().config().max_positions;
    let limit = limit.map_or(context, |limit| limit.min(context));
    let mut pairs = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let pair = pair(row, policy.text())
            .map_err(|error| Failure::run(error).context(format!("row {}", index + 1)))?;
        if pair.prompt.len() + pair.completion.len() <= limit {
            pairs.push(pair);
        }
    }
    match pairs.is_empty() {
        true => Err(Failure::usage(format!("no row fits in {limit} tokens"))
            .hint("give a larger --max-tokens, or shorter rows")),
        false => Ok(pairs),
    }
}

/// A row in tokens: the prompt up to where the assistant begins; the completion with an end token.
fn pair(row: &Row, text: &TextCodec) -> Result<Pair, String> {
    let (messages, completion) = match row {
        Row::Pair { prompt, completion, system } => {
            let system = system.as_deref().map(|text| Message::new("system", text));
            let messages = system.into_iter().chain([Message::new("user", prompt)]).collect();
            (messages, completion.as_str())
        }
        Row::Messages { messages } => match messages.split_last() {
            Some((last, rest)) if last.role == "assistant" && !rest.is_empty() => {
                (rest.to_vec(), last.content.as_str())
            }
            _ => return Err("its last message is not the assistant's".to_owned()),
        },
    };
    let rendered = text.template().render_chat(&messages, true).map_err(|e| e.to_string())?;
    let encode = |part: &str| text.encode(part).map_err(|error| error.to_string());
    let mut completion: Vec<TokenId> = encode(completion)?;
    completion.push(text.eos());
    let prompt = encode(&rendered)?;
    if prompt.is_empty() {
        return Err("its prompt has no tokens".to_owned());
    }
    Ok(Pair { prompt, completion })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_both_forms_are_the_same_pair() {
        let words: Vec<String> = ["2", "+", "4"].map(str::to_owned).to_vec();
        let codec = TextCodec::word_level(&words).expect("a tokenizer");
        let parse = |line: &str| serde_json::from_str::<Row>(line).expect("a row");
        let a = parse(r#"{"prompt": "2 + 2", "completion": "4"}"#);
        let b = parse(
            r#"{"messages": [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4"}]}"#,
        );
        let expected = Pair { prompt: vec![2, 3, 2], completion: vec![4, 1] };
        assert_eq!(pair(&a, &codec), Ok(expected.clone()));
        assert_eq!(pair(&b, &codec), Ok(expected));
        let open = parse(r#"{"messages": [{"role": "user", "content": "2"}]}"#);
        assert!(pair(&open, &codec).is_err());
    }
}
