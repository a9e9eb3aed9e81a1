//! One step of group relative policy optimisation on random weights, timed: rollouts, rewards drawn at random, and
//! one update. `--json` prints one JSON object with the fields of the peer's benchmark.
//!
//! `cargo run -p e2h-rl --example bench_step -- --preset nano`, or `cargo xtask bench step --preset nano`.
//!
//! By default it does the peer's work: every sequence computes its own prompt, in the rollout and in the update, runs
//! to the token limit, and takes part in the update. `--shared-prompts`, `--shortest-frac` and
//! `--zero-variance-frac` do what a training run does on top.
#![expect(clippy::print_stdout, reason = "what it prints is its purpose")]

use std::error::Error;
use std::fs;
use std::time::Instant;

use clap::Parser;
use e2h_core::{FinishReason, GenerateRequest, Generation, RootSeed, Sampling, TokenId};
use e2h_model::{
    AdamW, AdamWConfig, Group, Model, TokenGrads, TokenStats, Workload, clip_global_norm,
};
use rand::RngExt;
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Shape of the model and of the work
    #[arg(long, default_value = "nano")]
    preset: String,
    /// Steps that are timed, after one that is not
    #[arg(long, default_value_t = 5)]
    steps: u64,
    /// Prompts a step
    #[arg(long)]
    prompts: Option<usize>,
    /// Completions a prompt
    #[arg(long)]
    group: Option<usize>,
    /// Tokens of a prompt
    #[arg(long)]
    prompt_tokens: Option<usize>,
    /// Tokens of a completion
    #[arg(long)]
    completion: Option<usize>,
    /// Worker threads; all cores by default
    #[arg(long)]
    threads: Option<usize>,
    /// Rows that a worker holds at a time in the update
    #[arg(long, default_value_t = 1024)]
    token_budget: usize,
    /// The completions of a group share one computation of their prompt
    #[arg(long)]
    shared_prompts: bool,
    /// Lengths are spread evenly from this share of --completion to all of it, and finished sequences leave the batch
    #[arg(long, default_value_t = 1.0)]
    shortest_frac: f64,
    /// Share of groups whose rewards are all equal, and which need no update
    #[arg(long, default_value_t = 0.0)]
    zero_variance_frac: f64,
}

/// What one step works on.
struct Work(Workload);

impl std::ops::Deref for Work {
    type Target = Workload;

    fn deref(&self) -> &Workload {
        &self.0
    }
}

impl Work {
    fn new(args: &Args) -> Result<Self, Box<dyn Error>> {
        let named = Workload::named(&args.preset);
        let work = named.ok_or_else(|| format!("--preset is one of {:?}", Workload::NAMES))?;
        let (prompt, completion) = (work.prompt_tokens, work.completion);
        let mut work = work.with_lengths(
            args.prompt_tokens.unwrap_or(prompt),
            args.completion.unwrap_or(completion),
        );
        work.prompts = args.prompts.unwrap_or(work.prompts);
        work.group = args.group.unwrap_or(work.group);
        Ok(Self(work))
    }

    /// The lengths of a step's completions: spread evenly, but in no order.
    fn lengths(&self, shortest_frac: f64) -> Vec<usize> {
        let n = self.sequences();
        let shortest = shortest_frac * self.completion as f64;
        let span = self.completion as f64 - shortest;
        // A multiplier without a common factor with n visits every place once.
        let stride = (0..).map(|i| n / 2 + 1 + i).find(|stride| gcd(*stride, n) == 1).unwrap_or(1);
        (0..n)
            .map(|i| {
                let place = (i * stride % n) as f64 / (n - 1).max(1) as f64;
                ((shortest + place * span).round() as usize).max(1)
            })
            .collect()
    }
}

/// The rewards of a group, centred and scaled by their deviation.
fn centred(rewards: &[f64]) -> Vec<f64> {
    let n = rewards.len() as f64;
    let mean = rewards.iter().sum::<f64>() / n;
    let squares: f64 = rewards.iter().map(|reward| (reward - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0).max(1.0)).sqrt() + 1e-4;
    rewards.iter().map(|reward| (reward - mean) / deviation).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut bench = Bench::new(&args)?;
    let mut times = Vec::new();
    for step in 0..=args.steps {
        let time = bench.step(step)?;
        if step > 0 || args.steps == 0 {
            times.push(time);
        }
    }
    let report = bench.report(&times);
    if args.json {
        println!("{report}");
        return Ok(());
    }
    for (name, value) in report.as_object().into_iter().flatten() {
        println!("{name:20}{value}");
    }
    Ok(())
}

struct Bench<'a> {
    args: &'a Args,
    work: Work,
    model: Model,
    optimizer: AdamW,
    /// Kept from step to step.
    grads: Vec<f32>,
}

/// Seconds of one step.
struct Times {
    rollout_s: f64,
    backward_s: f64,
    optimizer_s: f64,
    step_s: f64,
    rollout_tokens: usize,
}

impl<'a> Bench<'a> {
    fn new(args: &'a Args) -> Result<Self, Box<dyn Error>> {
        let work = Work::new(args)?;
        let mut model = Model::new(work.config.clone(), &mut RootSeed(0).stream("init", &[]));
        if let Some(threads) = args.threads {
            model = model.with_threads(threads);
        }
        let n_params = model.params().len();
        let optimizer = AdamW::new(AdamWConfig::default(), n_params);
        Ok(Self { args, work, model, optimizer, grads: vec![0.0; n_params] })
    }

    fn step(&mut self, step: u64) -> Result<Times, Box<dyn Error>> {
        let start = Instant::now();
        let prompts = self.prompts(step);
        let rollouts = self.roll_out(step, &prompts)?;
        let rollout_s = start.elapsed().as_secs_f64();

        let backward = Instant::now();
        self.backward(step, &prompts, &rollouts)?;
        let backward_s = backward.elapsed().as_secs_f64();

        let update = Instant::now();
        clip_global_norm(&mut self.grads, 1.0);
        let (optimizer, grads) = (&mut self.optimizer, &self.grads);
        e2h_model::Engine::update_params(&mut self.model, &mut |layout, params| {
            optimizer.update(layout, params, grads, 1e-6);
        });
        Ok(Times {
            rollout_s,
            backward_s,
            optimizer_s: update.elapsed().as_secs_f64(),
            step_s: start.elapsed().as_secs_f64(),
            rollout_tokens: rollouts.iter().map(|rollout| rollout.tokens.len()).sum(),
        })
    }

    fn prompts(&self, step: u64) -> Vec<Vec<TokenId>> {
        let mut rng = RootSeed(0).stream("prompts", &[step]);
        let vocab = self.work.config.vocab_size as u32;
        (0..self.work.prompts)
            .map(|_| (0..self.work.prompt_tokens).map(|_| rng.random_range(2..vocab)).collect())
            .collect()
    }

    /// The completions, group after group.
    fn roll_out(
        &self,
        step: u64,
        prompts: &[Vec<TokenId>],
    ) -> Result<Vec<Generation>, Box<dyn Error>> {
        let (n, group) = (self.work.sequences(), self.work.group);
        let stream = |i: usize| RootSeed(0).stream("rollout", &[step, i as u64]);
        let a_request = if self.args.shared_prompts { group } else { 1 };
        let sampling = Sampling { max_tokens: self.work.completion, ..Sampling::default() };
        if self.args.shortest_frac >= 1.0 {
            let requests = (0..n / a_request).map(|i| GenerateRequest {
                prompt: prompts[i * a_request / group].clone(),
                streams: (0..a_request).map(|j| stream(i * a_request + j)).collect(),
            });
            let never = |_: &[TokenId]| None;
            let done = self.model.generate(requests.collect(), &sampling, &never)?;
            return Ok(done.into_iter().flatten().collect());
        }
        // A stop rule sees tokens alone. With hashed prefixes as lengths each sequence has its own.
        let lengths = self.work.lengths(self.args.shortest_frac);
        let requests = (0..n / a_request).map(|i| GenerateRequest {
            prompt: prompts[i * a_request / group].clone(),
            streams: (0..a_request).map(|j| stream(i * a_request + j)).collect(),
        });
        let stop = |tokens: &[TokenId]| {
            let place = tokens.iter().take(4).fold(7_usize, |hash, &token| {
                (hash ^ token as usize).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 7
            });
            (tokens.len() >= 4 && tokens.len() >= lengths[place % n]).then_some(FinishReason::Eos)
        };
        let done = self.model.generate(requests.collect(), &sampling, &stop)?;
        Ok(done.into_iter().flatten().collect())
    }

    /// Leaves the gradient of the loss in `self.grads`.
    fn backward(
        &mut self,
        step: u64,
        prompts: &[Vec<TokenId>],
        rollouts: &[Generation],
    ) -> Result<(), Box<dyn Error>> {
        let group = self.work.group;
        let mut rng = RootSeed(0).stream("rewards", &[step]);
        let silent = (self.args.zero_variance_frac * self.work.prompts as f64).round() as usize;
        let rewards: Vec<Vec<f64>> = (0..self.work.prompts)
            .map(|i| (0..group).map(|_| if i < silent { 0.0 } else { rng.random() }).collect())
            .collect();
        let advantages: Vec<f64> = rewards.iter().flat_map(|group| centred(group)).collect();
        let used: Vec<usize> = (silent * group..rollouts.len()).collect();
        let a_group = if self.args.shared_prompts { group } else { 1 };
        let groups: Vec<Group<'_>> = used
            .chunks(a_group)
            .map(|members| Group {
                prompt: &prompts[members[0] / group],
                completions: members.iter().map(|&i| rollouts[i].tokens.as_slice()).collect(),
            })
            .collect();
        let n = rollouts.len();
        let loss = |stats: &TokenStats<'_>| {
            let len = stats.logprobs.len();
            let mut given = TokenGrads { d_logprobs: vec![0.0; len], d_entropies: vec![0.0; len] };
            for (range, &sequence) in stats.offsets.windows(2).zip(stats.sequences) {
                let rollout = &rollouts[used[sequence]];
                let tokens = rollout.tokens.len();
                let weight = 1.0 / (n * tokens) as f64;
                for (t, i) in (range[0]..range[1]).enumerate() {
                    // On the policy that drew the tokens the ratio is 1, so the clip does not act.
                    let ratio = f64::from(stats.logprobs[i] - rollout.logprobs[t]).exp();
                    let advantage = advantages[used[sequence]];
                    given.d_logprobs[i] = (-weight * ratio * advantage) as f32;
                }
            }
            given
        };
        self.grads.fill(0.0);
        Ok(self.model.backward(&groups, self.args.token_budget, &mut self.grads, loss)?)
    }

    /// The medians of `times` with the peer's fields, and some of our own.
    fn report(&self, times: &[Times]) -> Value {
        let median = |value: fn(&Times) -> f64| {
            let mut values: Vec<f64> = times.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            let middle = values.len() / 2;
            if values.len() % 2 == 1 {
                values[middle]
            } else {
                0.5 * (values[middle - 1] + values[middle])
            }
        };
        let work = &self.work;
        let n = work.sequences();
        let rollout_s = median(|time| time.rollout_s);
        let update_s = median(|time| time.step_s - time.rollout_s);
        let round = |value: f64, unit: f64| (value * unit).round() / unit;
        let (all, drawn) = (n * work.completion, median(|time| time.rollout_tokens as f64));
        json!({
            "peer": "e2h", "device": "cpu", "preset": work.name, "sequences": n,
            "prompt": work.prompt_tokens, "completion": work.completion, "lora": false,
            "rollout_tok_per_s": round(drawn / rollout_s, 10.0),
            "update_tok_per_s": round((n * (work.prompt_tokens + work.completion)) as f64 / update_s, 10.0),
            "rollout_s": round(rollout_s, 1e4), "step_s": round(median(|time| time.step_s), 1e4),
            "backward_s": round(median(|time| time.backward_s), 1e4),
            "optimizer_s": round(median(|time| time.optimizer_s), 1e4),
            "drawn_frac": round(drawn / all as f64, 1e3), "params": self.model.params().len(),
            "threads": self.model.n_threads(), "peak_mib": peak_mib(),
        })
    }
}

/// The most memory that this process has held, where the system says it.
fn peak_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib / 1024)
}
