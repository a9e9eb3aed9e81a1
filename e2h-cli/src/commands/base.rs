//! `e2h base`: trains a starting policy from nothing, on random legal play.

use std::time::Instant;

use e2h_core::{RootSeed, write_atomic};
use e2h_model::{LanguageModel, Model, TextCodec, WeightFormat};
use e2h_rl::{evaluate, held_out, train_on_play};

use crate::args::BaseArgs;
use crate::commands::tasks::first_problem;
use crate::hints::{Failure, Outcome};
use crate::progress::{Pieces, Work, clock, out, say};
use crate::table;

/// Runs the command.
pub(crate) fn run(args: &BaseArgs) -> Outcome {
    // Here --steps counts the updates of this training, not those of a run that starts from it.
    let mut layers = args.config.clone();
    layers.sets.extend(layers.steps.take().map(|steps| format!("base.sft.steps={steps}")));
    let resolved = layers.resolve()?;
    let config = &resolved.value;
    let Some(task) = config.task.clone().legal_play().map_err(first_problem)? else {
        return Err(Failure::usage("this task cannot be played at random")
            .hint("countdown and blocksworld can"));
    };
    if std::fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::usage(format!("{} is not empty", args.out.display()))
            .hint("give another folder with --out"));
    }
    let start = Instant::now();
    let seed = RootSeed(config.seed);
    let text = TextCodec::word_level(&task.vocabulary()).map_err(Failure::run)?;
    let shape = config.base.shape(text.vocab_size()).map_err(Failure::usage)?;
    let model = Model::new(shape, &mut seed.stream("init", &[]));
    let sft = &config.base.sft;
    say(&format!(
        "training {:.2} M parameters on {} random plays of {}",
        model.params().len() as f64 / 1e6,
        sft.steps * sft.batch as u64,
        task.name()
    ));
    let mut policy = LanguageModel::new(model, text).map_err(Failure::run)?;
    let mut work = Work::with_own_lines(sft.steps, Pieces::Of("steps"));
    let every = (sft.steps / 10).max(1);
    let mut mean = 0.0;
    let trained = train_on_play(&mut policy, task.as_ref(), sft, seed, |step, loss| {
        mean += loss / every as f64;
        work.set(step + 1);
        if (step + 1).is_multiple_of(every) {
            let (step, left) = (step + 1, work.left());
            work.say(&format!("step {step:>5}/{}  loss {mean:.4} nat a token{left}", sft.steps));
            mean = 0.0;
        }
    });
    drop(work);
    trained.map_err(Failure::run)?;
    policy.save(&args.out, WeightFormat::F16).map_err(Failure::run)?;
    write_atomic(&args.out.join("base.toml"), resolved.text.as_bytes()).map_err(Failure::run)?;

    // What is measured is what was saved, rounding included.
    let mut saved = LanguageModel::load(args.out.as_path()).map_err(Failure::run)?;
    let problems = held_out(task.as_ref(), &config.eval).map_err(Failure::run)?;
    let sampling = &config.train.sampling;
    let total = problems.iter().map(Vec::len).sum::<usize>() * (1 + config.eval.n_samples);
    let mut work = Work::new(total as u64, Pieces::Of("completions evaluated"));
    let report = evaluate(&mut saved, task.as_ref(), &problems, sampling, &config.eval, |n| {
        work.add(n as u64);
    });
    drop(work);
    out(&table::one(&report.map_err(Failure::run)?));
    say(&format!(
        "done in {}; train from it with `e2h train --model {}`",
        clock(start.elapsed().as_secs_f64()),
        args.out.display()
    ));
    Ok(())
}
