//! `e2h train`: one run, from a base policy to a table of what it has learned.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use e2h_core::{Problem, RootSeed, Task, write_atomic};
use e2h_model::{AdamW, Adapter, LanguageModel};
use e2h_rl::{
    Critic, EvalReport, Ranks, Reference, Replay, RolloutSource, Run, RunEnd, RunFolder, Trainer,
};
use e2h_sched::LevelSampler;
use serde_json::{Value, json};

use crate::args::TrainArgs;
use crate::commands::tasks::first_problem;
use crate::config::{Config, ConfigArgs, ModelSection, n_train_levels};
use crate::hints::{Failure, Outcome};
use crate::layers::Resolved;
use crate::policy::{self, Placed};
use crate::problems::{Problems, in_words};
use crate::progress::{clock, out, say};
use crate::ranks::{agree, in_turn, tell};
use crate::table;
use crate::ui::{About, LevelAbout, Surroundings, UiArg, Watcher};

/// Runs the command.
pub(crate) fn run(args: &TrainArgs) -> Outcome {
    let seat = crate::ranks::join()?;
    let ranks = &*seat.ranks;
    // A run folder is made only when everything that can be wrong with the input has been looked at.
    let (config, begun) = tell(ranks, configuration(args))?;
    let (config, text) = (config.value, config.text);
    if args.dry_run {
        return if ranks.leads() { super::plan::run(&config, args.json) } else { Ok(()) };
    }
    let ui = tell(ranks, ui(args, ranks))?;
    let start = Instant::now();
    let task = tell(ranks, config.task.clone().task().map_err(first_problem))?;
    let model = crate::ranks::own_device(&config.model, &seat);
    let prepared = in_turn(&seat, || prepare(&config, &model, task.as_ref()))?;
    let Prepared { policy, place, problems } = prepared;
    agree(ranks, (&config, &text), &policy, &problems.pools)?;
    let path = match (&begun, &args.run_dir) {
        (Some(folder), _) => folder.path().to_path_buf(),
        (None, Some(path)) => path.clone(),
        (None, None) => tell(ranks, free_name(task.name(), &config))?,
    };
    let told = ranks.broadcast(&path);
    let path = told.map_err(|error| crate::ranks::failure(ranks.leads(), &error))?;
    let connected = rollouts(&config, task.as_ref(), &policy, &problems, &path, ranks.rank());
    let rollouts = tell(ranks, connected)?;
    let folder = match begun {
        Some(folder) => Some(folder),
        None if ranks.leads() => Some(tell(ranks, begin(&path, &text))?),
        None => None,
    };
    let shared = Rc::clone(&seat.ranks);
    let trainer = problems.trainer((&config, &model), task.as_ref(), policy, rollouts, shared);
    let mut trainer = tell(ranks, trainer)?;
    // A starter of processes hands signals on to all of them; what a first one means is rank 0's affair.
    let stop = tell(ranks, stop_flag(ui == UiArg::None || !ranks.leads()))?;
    match folder {
        Some(folder) if ranks.leads() => {
            let started = Started { folder, place, ui, start };
            lead(&config, &started, &mut trainer, &problems, &stop)
        }
        _ => e2h_rl::follow(&mut trainer, &problems.held_out)
            .map_err(|error| run_failure(false, &error, &path)),
    }
}

/// The configuration, and the folder of a run that goes on.
fn configuration(args: &TrainArgs) -> Outcome<(Resolved<Config>, Option<RunFolder>)> {
    match &args.resume {
        Some(path) => resume(path, args),
        None => Ok((with_rollouts(&args.config, args.rollouts.as_deref()).resolve()?, None)),
    }
}

/// How the run is shown.
fn ui(args: &TrainArgs, ranks: &dyn Ranks) -> Outcome<UiArg> {
    let ui = if args.quiet { UiArg::None } else { args.ui };
    let ui = ui.resolve(Surroundings::here()).map_err(|problem| {
        Failure::usage(problem).hint("--ui plain prints lines, --ui auto chooses")
    })?;
    // Several processes cannot share a screen.
    Ok(if ranks.size() > 1 && ui == UiArg::Tui { UiArg::Plain } else { ui })
}

/// What the rank that leads a run has beside the others.
struct Started {
    folder: RunFolder,
    /// Engine, device and why, for a person.
    place: String,
    ui: UiArg,
    start: Instant,
}

/// Makes the run's steps, writes, and shows it.
fn lead(
    config: &Config,
    started: &Started,
    trainer: &mut Trainer<'_>,
    problems: &Problems,
    stop: &Arc<AtomicBool>,
) -> Outcome {
    let Started { folder, place, ui, start } = started;
    let (task, steps) = (trainer.task, config.train.steps);
    if *ui != UiArg::None {
        start_card(config, task, &trainer.policy, place, folder);
        if trainer.ranks.size() > 1 {
            say(&format!("ranks     {}", trainer.ranks.size()));
        }
    }
    let mut about = about(config, task, folder);
    if *ui == UiArg::Tui {
        about.questions = questions(&problems.pools);
    }
    let mut progress = Watcher::new(*ui, about, steps, Arc::clone(stop));
    let run =
        Run { folder, config: &config.run, eval: &config.eval, held_out: &problems.held_out, stop };
    let end = run.run(trainer, &mut progress);
    progress.finish();
    let shown = folder.path().display();
    match end.map_err(|error| run_failure(true, &error, folder.path()))? {
        RunEnd::Stopped { step } => Err(Failure::interrupted(format!(
            "stopped after {step} of {steps} steps; everything is saved in {shown}"
        ))
        .hint(format!("go on with `e2h train --resume {shown}`"))),
        RunEnd::Finished { before, after } => {
            let wall_s = start.elapsed().as_secs_f64();
            let summary = summary(config, task, &before, &after, wall_s);
            let text = serde_json::to_string_pretty(&summary).unwrap_or_default() + "\n";
            write_atomic(&folder.file("summary.json"), text.as_bytes()).map_err(Failure::run)?;
            crate::commands::report::write(folder.path())?;
            out(&table::before_after(&before, &after));
            say(&format!(
                "\ndone in {}; files are in {shown}, a page about the run is {shown}/report.html\n\
                 next: e2h sample {shown} --level 1     read what it says now\n      \
                 e2h eval {shown} --samples 8    pass@k beside greedy accuracy\n      \
                 e2h train --schedule balanced   the same budget without a curriculum",
                clock(wall_s)
            ));
            Ok(())
        }
    }
}

/// What a run begins with.
struct Prepared {
    policy: LanguageModel,
    /// Engine, device and why, for a person.
    place: String,
    problems: Problems,
}

/// Loads the policy and the problems, and looks whether they go together.
fn prepare(config: &Config, model: &ModelSection, task: &dyn Task) -> Outcome<Prepared> {
    let Placed { policy, place } = policy::place(model)?;
    let policy = with_fresh_adapter(policy, config);
    let problems = Problems::new(config, task)?;
    check_words(&policy, task, &config.model.base, &problems.pools)?;
    check_reference(&policy, config)?;
    Ok(Prepared { policy, place, problems })
}

/// Puts a fresh adapter beside the weights where the configuration asks for one; the base's own is trained on.
pub(crate) fn with_fresh_adapter(policy: LanguageModel, config: &Config) -> LanguageModel {
    match &config.model.lora {
        Some(lora) if policy.engine().adapter().is_none() => {
            let mut rng = RootSeed(config.seed).stream("lora", &[]);
            let adapter = Adapter::new(lora.clone(), policy.engine().config(), &mut rng);
            policy.with_adapter(adapter, &config.model.base)
        }
        _ => policy,
    }
}

/// Makes the folder of a new run and writes its configuration.
fn begin(path: &Path, text: &str) -> Outcome<RunFolder> {
    let folder = RunFolder::create(path).map_err(|error| run_failure(true, &error, path))?;
    write_atomic(&folder.file("config.toml"), text.as_bytes()).map_err(Failure::run)?;
    Ok(folder)
}

/// Reads the configuration of a run that began.
fn resume(path: &Path, args: &TrainArgs) -> Outcome<(Resolved<Config>, Option<RunFolder>)> {
    let folder = RunFolder::open(path).map_err(|error| {
        Failure::usage(error).hint("give the folder that `e2h train` printed when it began")
    })?;
    let files = vec![folder.file("config.toml")];
    let device = args.config.device.clone();
    let config = ConfigArgs { files, device, ..ConfigArgs::default() };
    Ok((with_rollouts(&config, args.rollouts.as_deref()).resolve()?, Some(folder)))
}

/// The arguments with a source of rollouts; a run that goes on may find its server elsewhere.
fn with_rollouts(args: &ConfigArgs, rollouts: Option<&str>) -> ConfigArgs {
    let mut args = args.clone();
    args.sets.extend(rollouts.map(|source| format!("rollouts.source={source:?}")));
    args
}

/// `runs/TASK-SCHEDULE-SEED`, or the first free name with a number behind it.
fn free_name(task: &str, config: &Config) -> Outcome<PathBuf> {
    let name = format!("{task}-{}-{}", config.schedule.kind.name(), config.seed);
    let numbered = (2..10_000).map(|n| format!("{name}.{n}"));
    std::iter::once(name.clone())
        .chain(numbered)
        .map(|name| Path::new("runs").join(name))
        .find(|path| !path.exists())
        .ok_or_else(|| Failure::usage("runs/ is full of runs of this name").hint("give --run-dir"))
}

impl Problems {
    fn trainer<'a>(
        &'a self,
        (config, model): (&'a Config, &ModelSection),
        task: &'a dyn Task,
        policy: LanguageModel,
        rollouts: Option<Box<dyn RolloutSource>>,
        ranks: Rc<dyn Ranks>,
    ) -> Outcome<Trainer<'a>> {
        let sizes: Vec<u64> = self.pools.iter().map(|pool| pool.len() as u64).collect();
        let seed = RootSeed(config.seed);
        let sampler = LevelSampler::new(seed, &sizes, config.data.picking)
            .and_then(|sampler| sampler.weighted(&self.weights));
        let curriculum = config.schedule.build(self.pools.len(), config.train.steps);
        let reference = match config.train.kl_beta > 0.0 {
            false => Reference::None,
            true if policy.engine().adapter().is_some() => Reference::AdapterOff,
            true => Reference::Model(policy::place(model)?.policy.into_engine()),
        };
        Ok(Trainer {
            ranks,
            rollouts,
            reference,
            optimizer: AdamW::new(config.train.adamw, policy.engine().params().len()),
            critic: Critic::of(&config.train, policy.engine().config().hidden_size),
            policy,
            curriculum: curriculum.map_err(Failure::usage)?,
            sampler: Box::new(sampler.map_err(Failure::usage)?),
            task,
            pools: &self.pools,
            config: &config.train,
            seed,
            bad_updates: 0,
            replay: Replay::default(),
            token_budget: config.train.token_budget,
        })
    }
}

/// Connects to the server that rollouts are drawn from; `None` for the policy's own engine.
fn rollouts(
    config: &Config,
    task: &dyn Task,
    policy: &LanguageModel,
    problems: &Problems,
    run: &Path,
    rank: usize,
) -> Outcome<Option<Box<dyn RolloutSource>>> {
    let Some(server) = config.rollouts.server() else { return Ok(None) };
    let Some(problem) = problems.pools.iter().find_map(|pool| pool.first()) else {
        return Ok(None);
    };
    let prompt = task.prompt(problem).map_err(Failure::run)?;
    let probe = policy.text().encode_prompt(&prompt).map_err(Failure::run)?;
    // Each rank hands over its own copy of the adapter, under its own name.
    let run = if rank == 0 { run.to_path_buf() } else { run.join(format!("rank-{rank}")) };
    crate::remote::connect(server, &config.rollouts, policy, &probe, &run).map(Some)
}

/// Refuses a model whose tokenizer does not know the words of the task's prompts.
pub(crate) fn check_words(
    policy: &LanguageModel,
    task: &dyn Task,
    base: &str,
    pools: &[Vec<Problem>],
) -> Outcome {
    for problem in pools.iter().filter_map(|pool| pool.first()) {
        let prompt = task.prompt(problem).map_err(Failure::run)?;
        let ids = policy.text().encode_prompt(&prompt).map_err(Failure::run)?;
        if policy.text().unknown().is_some_and(|unknown| ids.contains(&unknown)) {
            let message = format!("{base} does not know the words of {} prompts", task.name());
            return Err(Failure::usage(message)
                .hint("use the base of this task, or train one with `e2h base`"));
        }
    }
    Ok(())
}

/// Refuses to move the reference of an adapter, which is the frozen model below it.
fn check_reference(policy: &LanguageModel, config: &Config) -> Outcome {
    if policy.engine().adapter().is_some() && config.train.reference_sync_steps > 0 {
        let problem = "`train.reference_sync_steps` moves a reference policy, but that of an adapter is the frozen \
                       model below it";
        return Err(
            Failure::usage(problem).hint("set it to 0, or train all weights, without an adapter")
        );
    }
    Ok(())
}

/// A flag that Ctrl-C sets; a second Ctrl-C ends the process at once.
fn stop_flag(quiet: bool) -> Outcome<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            crate::ui::restore();
            std::process::exit(130);
        }
        if !quiet && !crate::ui::is_open() {
            say("stopping after this step; press Ctrl-C again to stop now");
        }
    })
    .map_err(|error| Failure::run(format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(stop)
}

fn run_failure(leads: bool, error: &e2h_rl::Error, path: &Path) -> Failure {
    let shown = path.display();
    let text = std::iter::successors(std::error::Error::source(error), |error| error.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    match error {
        e2h_rl::Error::Ranks(error) => crate::ranks::failure(leads, error),
        e2h_rl::Error::RunExists(_) => Failure::usage(text).hint(format!(
            "go on with it by `e2h train --resume {shown}`, or give another --run-dir"
        )),
        e2h_rl::Error::Diverged { .. } => {
            Failure::run(text).hint("lower train.lr, or set train.max_grad_norm lower")
        }
        e2h_rl::Error::NotARun { .. } => Failure::run(text),
        e2h_rl::Error::Busy { .. } => {
            Failure::run(text).hint("wait until it is done, or stop it first; one process a run")
        }
        _ if has_kind(error, &[ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem]) => {
            Failure::run(text).hint("give a folder that you may write to, for example by --run-dir")
        }
        _ if has_kind(
            error,
            &[ErrorKind::StorageFull, ErrorKind::FileTooLarge, ErrorKind::QuotaExceeded],
        ) =>
        {
            Failure::run(text).hint(format!(
                "the newest checkpoint is whole; make room, then `e2h train --resume {shown}`"
            ))
        }
        _ => Failure::run(text)
            .hint(format!("what was finished is kept; go on with `e2h train --resume {shown}`")),
    }
}

/// True when a cause of `error` is the system's answer of one of these kinds.
fn has_kind(error: &e2h_rl::Error, kinds: &[ErrorKind]) -> bool {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source())
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| kinds.contains(&error.kind()))
}

fn start_card(
    config: &Config,
    task: &dyn Task,
    policy: &LanguageModel,
    place: &str,
    folder: &RunFolder,
) {
    let train = &config.train;
    let levels: Vec<String> = task
        .levels()
        .iter()
        .map(
            |level| {
                if level.ood { format!("{} (unseen)", level.label) } else { level.label.clone() }
            },
        )
        .collect();
    let trained = match policy.engine().adapter() {
        Some(adapter) => {
            let n = adapter.params().len() as f64 / 1e6;
            format!(" and an adapter of rank {} with {n:.2} M", adapter.config().rank)
        }
        None => String::new(),
    };
    say(&format!(
        "task      {}: {}\n\
         model     {}: {:.2} M parameters{trained}, {place}\n\
         schedule  {} over {} steps\n\
         step      {} prompts x {} rollouts, up to {} tokens each; learning rate {:e}\n\
         seed      {}\n\
         files     {}",
        task.name(),
        levels.join(", "),
        config.model.base,
        policy.engine().weights().len() as f64 / 1e6,
        config.schedule.kind.name(),
        train.steps,
        train.prompts,
        train.group_size,
        train.sampling.max_tokens,
        train.lr,
        config.seed,
        folder.path().display(),
    ));
    if let Ok(curriculum) = config.schedule.build(n_train_levels(task), train.steps) {
        let preview =
            e2h_sched::Preview::new(curriculum.as_ref(), train.steps, train.prompts as u64);
        say(&e2h_sched::terminal(&preview, 60));
    }
}

/// What the live view says of the run.
fn about(config: &Config, task: &dyn Task, folder: &RunFolder) -> About {
    let level =
        |level: &e2h_core::LevelSpec| LevelAbout { label: level.label.clone(), ood: level.ood };
    let schedule = config.schedule.kind.name();
    About {
        title: format!(
            "{}, {schedule}, seed {}, {}",
            task.name(),
            config.seed,
            folder.path().display()
        ),
        levels: task.levels().iter().map(level).collect(),
        questions: Vec::new(),
    }
}

/// What each problem asks, in a line that is not too long.
fn questions(pools: &[Vec<Problem>]) -> Vec<Vec<String>> {
    const MAX_CHARS: usize = 240;
    let line = |problem: &Problem| -> String {
        in_words(&problem.question, &problem.answer).chars().take(MAX_CHARS).collect()
    };
    pools.iter().map(|pool| pool.iter().map(line).collect()).collect()
}

/// The contents of `summary.json`.
fn summary(
    config: &Config,
    task: &dyn Task,
    before: &EvalReport,
    after: &EvalReport,
    wall_s: f64,
) -> Value {
    let best = |pass: &[e2h_rl::PassAtK]| pass.last().map(|pass| pass.value);
    let levels: Vec<Value> = after
        .levels
        .iter()
        .map(|level| {
            let base = before.levels.iter().find(|base| base.level == level.level);
            json!({
                "level": level.level,
                "label": level.label,
                "ood": level.ood,
                "n": level.n,
                "base_accuracy": base.map(|base| base.accuracy),
                "accuracy": level.accuracy,
                "interval": level.interval,
                "base_pass_at_k": base.and_then(|base| best(&base.pass_at_k)),
                "pass_at_k": best(&level.pass_at_k),
            })
        })
        .collect();
    json!({
        "task": task.name(),
        "schedule": config.schedule.kind.name(),
        "seed": config.seed,
        "steps": config.train.steps,
        "rollouts": config.train.steps * (config.train.prompts * config.train.group_size) as u64,
        "wall_s": wall_s,
        "base_train_mean": before.train_mean(),
        "train_mean": after.train_mean(),
        "levels": levels,
    })
}

#[cfg(test)]
mod tests;
