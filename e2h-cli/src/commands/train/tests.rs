//! Runs on several ranks, which are threads here: the same run on any number of them.

use std::fs;
use std::time::Duration;

use e2h_model::{EmbeddedModel, Model, ModelConfig, TextCodec};
use e2h_rl::{Alone, Observer, RankError, StepReport, ThreadRank, Wish};

use super::*;
use crate::embedded::MODELS;

/// Settings under which a policy that says anything at all learns from the length of what it says.
const SETS: [&str; 14] = [
    "train.steps=20",
    "train.prompts=4",
    "train.group_size=4",
    "train.sampling.max_tokens=24",
    "train.lr=1e-2",
    "train.kl_beta=0.01",
    "train.top_entropy_quantile=0.5",
    "train.overlong_buffer=20",
    "data.problems_per_level=8",
    "eval.problems_per_level=4",
    "eval.n_samples=2",
    "eval.k=[1, 2]",
    "run.save_every=2",
    "run.sample_every=1",
];

fn config(sets: &[&str]) -> Config {
    let sets = SETS.iter().chain(sets).map(|set| (*set).to_owned()).collect();
    ConfigArgs { sets, ..ConfigArgs::default() }.resolve().expect("a configuration").value
}

/// A decoder of a few thousand random weights with the words of the shipped one.
fn policy(seed: u64) -> LanguageModel {
    let files: &EmbeddedModel =
        MODELS.iter().find(|model| model.name == "countdown-nano").expect("shipped");
    let text = TextCodec::load(files).expect("a tokenizer");
    let shape = ModelConfig {
        hidden_size: 16,
        intermediate_size: 32,
        n_layers: 1,
        n_heads: 2,
        n_kv_heads: 2,
        head_dim: 8,
        ..ModelConfig::nano(text.vocab_size())
    };
    let model = Model::new(shape, &mut RootSeed(seed).stream("init", &[])).with_threads(1);
    LanguageModel::new(model, text).expect("they fit")
}

/// Stops a run after some steps.
struct Until {
    step: u64,
    stop: AtomicBool,
}

impl Observer for &Until {
    fn step(&mut self, report: &StepReport) {
        if report.step + 1 == self.step {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
    fn evaluated(&mut self, _: u64, _: &EvalReport) {}
    fn saved(&mut self, _: u64, _: &Path) {}
    fn note(&mut self, _: &str) {}
    fn wish(&mut self) -> Wish {
        Wish::default()
    }
}

/// Takes part in a run in `folder` until `until` steps are done.
fn take_part(
    ranks: Rc<dyn Ranks>,
    config: &Config,
    folder: &Path,
    until: u64,
) -> Result<Option<RunEnd>, e2h_rl::Error> {
    let task = config.task.clone().task().expect("a task");
    let problems = Problems::new(config, task.as_ref()).expect("problems");
    let (policy, reference) = (policy(1), policy(1).into_engine());
    let leads = ranks.leads();
    let trainer = problems.trainer((config, &config.model), task.as_ref(), policy, None, ranks);
    let mut trainer = trainer.expect("a trainer");
    trainer.reference = Reference::Model(reference);
    if !leads {
        return e2h_rl::follow(&mut trainer, &problems.held_out).map(|()| None);
    }
    let folder = match folder.exists() {
        true => RunFolder::open(folder)?,
        false => {
            let made = RunFolder::create(folder)?;
            fs::write(made.file("config.toml"), "").expect("written");
            made
        }
    };
    let watcher = Until { step: until, stop: AtomicBool::new(false) };
    let run = Run {
        folder: &folder,
        config: &config.run,
        eval: &config.eval,
        held_out: &problems.held_out,
        stop: &watcher.stop,
    };
    run.run(&mut trainer, &mut &watcher).map(Some)
}

/// Makes a run on `n` ranks; what each came to.
fn run_on(
    n: usize,
    config: &Config,
    folder: &Path,
    until: u64,
) -> Vec<Result<Option<RunEnd>, String>> {
    if n == 1 {
        let end = take_part(Rc::new(Alone), config, folder, until);
        return vec![end.map_err(|error| error.to_string())];
    }
    let ranks = ThreadRank::group(n, Duration::from_secs(60));
    std::thread::scope(|scope| {
        let spawn = |rank: ThreadRank| {
            scope.spawn(move || {
                let end = take_part(Rc::new(rank), config, folder, until);
                end.map_err(|error| error.to_string())
            })
        };
        let handles: Vec<_> = ranks.into_iter().map(spawn).collect();
        handles.into_iter().map(|handle| handle.join().expect("a rank")).collect()
    })
}

/// The lines of a file without their times.
fn lines(folder: &Path, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(name)).expect("lines");
    let parse = |line: &str| {
        let mut value: Value = serde_json::from_str(line).expect("JSON");
        if let Some(object) = value.as_object_mut() {
            object.retain(|key, _| !key.starts_with("time/"));
        }
        value
    };
    text.lines().map(parse).collect()
}

const FILES: [&str; 3] = ["metrics.jsonl", "samples.jsonl", "eval.jsonl"];

fn weights(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("checkpoints/step-20/model.safetensors")).expect("weights")
}

#[test]
fn with_shards_a_run_is_the_same_on_one_two_and_four_ranks_to_the_bit_and_resumes_on_any() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let config = config(&["train.shards=4"]);
    for n in [1, 2, 4] {
        for end in run_on(n, &config, &path(&n.to_string()), u64::MAX) {
            end.expect("finished");
        }
    }
    // Two ranks, then four, then one.
    for (n, until) in [(2, 6), (4, 13), (1, u64::MAX)] {
        for end in run_on(n, &config, &path("parts"), until) {
            end.expect("stopped or finished");
        }
    }
    let updates = lines(&path("1"), "metrics.jsonl");
    assert!(updates.iter().filter(|line| line.get("loss").is_some()).count() > 10);
    for other in ["2", "4", "parts"] {
        for name in FILES {
            assert_eq!(lines(&path("1"), name), lines(&path(other), name), "{other}: {name}");
        }
        assert!(weights(&path("1")) == weights(&path(other)), "{other}: weights");
    }
}

#[test]
fn without_shards_tokens_are_the_same_and_losses_within_rounding() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |n: usize| folder.path().join(n.to_string());
    let config = config(&[]);
    for n in [1, 2, 4] {
        for end in run_on(n, &config, &path(n), u64::MAX) {
            end.expect("finished");
        }
    }
    let completions = |n: usize| -> Vec<Value> {
        lines(&path(n), "samples.jsonl").iter().map(|line| line["completion"].clone()).collect()
    };
    let number = |line: &Value, key: &str| line[key].as_f64();
    for n in [2, 4] {
        assert_eq!(completions(1), completions(n), "{n} ranks");
        let pairs =
            lines(&path(1), "metrics.jsonl").into_iter().zip(lines(&path(n), "metrics.jsonl"));
        for (a, b) in pairs {
            assert_eq!(a["rollout/tokens"], b["rollout/tokens"]);
            for key in ["loss", "grad_norm", "kl"] {
                match (number(&a, key), number(&b, key)) {
                    (Some(a), Some(b)) => {
                        assert!(
                            (a - b).abs() <= 1e-4 * (1.0 + a.abs()),
                            "{n} ranks, {key}: {a} {b}"
                        );
                    }
                    (a, b) => assert_eq!(a, b, "{n} ranks, {key}"),
                }
            }
        }
    }
}

#[test]
fn a_rank_that_ends_or_fails_ends_the_run_by_name_and_leaves_a_whole_checkpoint() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = config(&[]);
    for (name, last_word, told) in [
        ("gone", None, "rank 1 is gone: its process has ended"),
        ("failed", Some("no memory"), "rank 1 failed: no memory"),
    ] {
        let path = folder.path().join(name);
        let ranks = ThreadRank::group(3, Duration::from_secs(60));
        let ends: Vec<Option<String>> = std::thread::scope(|scope| {
            let (config, path) = (&config, &path);
            let spawn = |rank: ThreadRank| {
                scope.spawn(move || {
                    let rank = Leaves { rank, after: 60, n: std::cell::Cell::new(0), last_word };
                    take_part(Rc::new(rank), config, path, u64::MAX).err().map(|e| e.to_string())
                })
            };
            let handles: Vec<_> = ranks.into_iter().map(spawn).collect();
            handles.into_iter().map(|handle| handle.join().expect("a rank")).collect()
        });
        assert_eq!(ends[0].as_deref(), Some(told));
        assert_eq!(ends[2].as_deref(), Some(told));
        let latest = e2h_rl::checkpoint::latest(&path.join("checkpoints"), |path, error| {
            panic!("{}: {error}", path.display());
        });
        let (_, state) = latest.expect("listed").expect("a whole checkpoint");
        assert!(state.step >= 2, "{}", state.step);
        // What is left goes on, on fewer ranks.
        for end in run_on(2, &config, &path, u64::MAX) {
            end.expect("finished");
        }
    }
}

/// Rank 1 leaves after some exchanges, with or without a word.
struct Leaves {
    rank: ThreadRank,
    after: usize,
    n: std::cell::Cell<usize>,
    last_word: Option<&'static str>,
}

impl Ranks for Leaves {
    fn rank(&self) -> usize {
        self.rank.rank()
    }

    fn size(&self) -> usize {
        self.rank.size()
    }

    fn exchange(&self, messages: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, RankError> {
        self.n.set(self.n.get() + 1);
        if self.rank() == 1 && self.n.get() > self.after {
            if let Some(word) = self.last_word {
                (&self.rank as &dyn Ranks).fail(word);
            }
            return Err(RankError::Gone(1));
        }
        self.rank.exchange(messages)
    }
}

#[test]
fn ranks_with_another_configuration_or_model_refuse_to_start() {
    let same = config(&[]);
    let answers = |configs: [&str; 2], seeds: [u64; 2]| -> Vec<String> {
        let ranks = ThreadRank::group(2, Duration::from_secs(20));
        std::thread::scope(|scope| {
            let spawn = |rank: ThreadRank| {
                let (text, seed, same) = (configs[rank.rank()], seeds[rank.rank()], &same);
                scope.spawn(move || {
                    let agreed = agree(&rank, (same, text), &policy(seed), &[]);
                    agreed.err().map(|failure| failure.to_string()).unwrap_or_default()
                })
            };
            let handles: Vec<_> = ranks.into_iter().map(spawn).collect();
            handles.into_iter().map(|handle| handle.join().expect("a rank")).collect()
        })
    };
    for text in answers(["a = 1", "a = 2"], [1, 1]) {
        let told =
            "error: rank 1 has another configuration than rank 0: `a = 2` instead of `a = 1`";
        assert!(text.starts_with(told) && text.contains("hint: start all ranks"), "{text}");
    }
    for text in answers(["a = 1", "a = 1"], [1, 2]) {
        assert!(text.starts_with("error: rank 1 has another model than rank 0: "), "{text}");
    }
    assert_eq!(answers(["a", "a"], [1, 1]), ["", ""]);
}
