//! `e2h bench`: rollouts and an update of a known shape with random weights, timed beside what the machine can do at best.
//!
//! The work is that of the peer's benchmark: every sequence computes its own prompt, runs to the token limit and takes part
//! in the update. `--shared-prompts` computes a group's prompt once, as training does.

use std::time::Instant;

use e2h_core::{GenerateRequest, Generation, RootSeed, Sampling, TokenId};
use e2h_model::{
    AdamW, AdamWConfig, Adapter, BurnDecoder, DeviceChoice, Engine, Group, Layout, LimitSizes,
    Limits, LoraConfig, Model, Precision, TokenGrads, TokenStats, Workload, clip_global_norm,
    limits,
};
use rand::RngExt;
use serde_json::{Value, json};

use crate::commands::bench::bound::Bound;
use crate::config::{EngineKind, PrecisionKind};
use crate::hints::{Failure, Outcome, did_you_mean};
use crate::policy;
use crate::progress::{out, say};

mod bound;

/// Random numbers that the weights repeat: drawing each would take longer than the measurement.
const PATTERN: usize = 65_521;

/// `e2h bench`
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// Shape of the model and of the work: nano, micro, smollm2-135m, qwen2.5-1.5b, qwen2.5-3b
    #[arg(long, default_value = "nano", value_name = "NAME")]
    preset: String,
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_value = "limits,decode,update")]
    parts: Vec<Part>,
    /// Where to compute: auto, cpu, cuda, cuda:1
    #[arg(long, default_value = "auto")]
    device: String,
    /// Number format of weights and activations on the burn engine
    #[arg(long, value_enum, default_value_t = PrecisionKind::F32)]
    dtype: PrecisionKind,
    /// What computes: fused kernels on the CPU, or burn tensors anywhere
    #[arg(long, value_enum, default_value_t = EngineKind::Auto)]
    engine: EngineKind,
    /// Train an adapter as the reference does (rank 32 on q_proj and v_proj) instead of all weights
    #[arg(long)]
    lora: bool,
    /// Compute each layer a second time on the way back (burn engine)
    #[arg(long)]
    gradient_checkpointing: bool,
    /// Compute the prompt of a group once
    #[arg(long)]
    shared_prompts: bool,
    /// Steps that are timed, after one that is not
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Prompts a step [default: the preset's]
    #[arg(long, value_name = "N")]
    prompts: Option<usize>,
    /// Completions a prompt [default: the preset's]
    #[arg(long, value_name = "N")]
    group: Option<usize>,
    /// Tokens of a prompt [default: the preset's]
    #[arg(long, value_name = "N")]
    prompt_tokens: Option<usize>,
    /// Tokens of a completion [default: the preset's]
    #[arg(long, value_name = "N")]
    completion: Option<usize>,
    /// Tokens that an update holds at a time
    #[arg(long, default_value_t = 8192, value_name = "N")]
    token_budget: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Something that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// What the device can copy and multiply
    Limits,
    /// Rollouts
    Decode,
    /// The gradient and the optimiser
    Update,
}

/// Runs the command.
pub(crate) fn run(args: &BenchArgs) -> Outcome {
    let work = work(args)?;
    let device = policy::device(&args.device)?;
    let fused = match (args.engine, device.name.as_str()) {
        (EngineKind::Auto, name) => name == "cpu",
        (EngineKind::Fused, "cpu") => true,
        (EngineKind::Fused, name) => {
            let message = format!("the fused engine computes on the CPU, not on {name}");
            return Err(Failure::usage(message).hint("give --engine burn or --device cpu"));
        }
        (EngineKind::Burn, _) => false,
    };
    if fused && args.dtype == PrecisionKind::Bf16 {
        return Err(Failure::usage("the fused engine computes in f32").hint("give --engine burn"));
    }
    if !args.json {
        let engine = if fused { "fused" } else { "burn" };
        say(&format!("{engine} engine on {} ({})", device.name, device.reason));
    }
    let precision = args.dtype.into();
    let wants = |part| args.parts.contains(&part);
    let limits = match wants(Part::Limits) {
        true => Some(limits(&device, precision, sizes(args, &device)).map_err(Failure::run)?),
        false => None,
    };
    let mut times = Vec::new();
    let mut n_params = Layout::new(&work.config).n_params();
    let mut n_trained = 0;
    if wants(Part::Decode) || wants(Part::Update) {
        let engine = engine(args, &work, &device, precision, fused)?;
        n_params = engine.weights().len();
        n_trained = engine.params().len();
        let mut bench = Bench::new(args, &work, engine);
        for step in 0..=args.steps {
            let time = bench.step(step).map_err(Failure::run)?;
            if step > 0 {
                times.push(time);
            }
        }
    }
    let adapter = args.lora.then_some(n_trained);
    let bytes = if args.dtype == PrecisionKind::Bf16 { 2.0 } else { 4.0 };
    let bound = Bound::new(&work, bytes, adapter);
    let measured = Measured { limits, times, bound, n_params, n_trained, fused };
    let value = measured.json(args, &work, &device);
    match args.json {
        true => out(&value.to_string()),
        false => out(&text(&value)),
    }
    Ok(())
}

/// The work that the flags name.
fn work(args: &BenchArgs) -> Outcome<Workload> {
    let work = Workload::named(&args.preset).ok_or_else(|| {
        let known = Workload::NAMES.join(", ");
        let failure =
            Failure::usage(format!("no workload is called `{}` (known: {known})", args.preset));
        match did_you_mean(&args.preset, Workload::NAMES) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("--preset is one of the known names"),
        }
    })?;
    let (prompt, completion) = (work.prompt_tokens, work.completion);
    let (prompt, completion) =
        (args.prompt_tokens.unwrap_or(prompt), args.completion.unwrap_or(completion));
    let mut work = work.with_lengths(prompt, completion);
    work.prompts = args.prompts.unwrap_or(work.prompts);
    work.group = args.group.unwrap_or(work.group);
    if prompt * completion * work.sequences() == 0 {
        return Err(Failure::usage("a step of no tokens").hint("every size must be at least 1"));
    }
    Ok(work)
}

/// The sizes at which the limits are measured: a tiny step is not worth a large copy.
fn sizes(args: &BenchArgs, device: &DeviceChoice) -> LimitSizes {
    match (device.name.as_str(), args.preset.as_str()) {
        ("cpu", _) => LimitSizes::HOST,
        (_, "nano") => LimitSizes::HOST,
        _ => LimitSizes::GPU,
    }
}

/// The engine with random weights.
fn engine(
    args: &BenchArgs,
    work: &Workload,
    device: &DeviceChoice,
    precision: Precision,
    fused: bool,
) -> Outcome<Box<dyn Engine>> {
    let layout = Layout::new(&work.config);
    let mut rng = RootSeed(0).stream("init", &[]);
    let scale = 2.0 * work.config.initializer_range as f32 * 3.0_f32.sqrt();
    let pattern: Vec<f32> = (0..PATTERN).map(|_| (rng.random::<f32>() - 0.5) * scale).collect();
    let mut weights = vec![0.0; layout.n_params()];
    for spec in &layout.tensors {
        let values = &mut weights[spec.range.clone()];
        match spec.is_vector() {
            true => values.fill(if spec.name.ends_with("bias") { 0.0 } else { 1.0 }),
            false => values.iter_mut().zip(pattern.iter().cycle()).for_each(|(w, p)| *w = *p),
        }
    }
    let mut engine: Box<dyn Engine> = if fused {
        Box::new(Model::from_params(work.config.clone(), weights))
    } else {
        let decoder = BurnDecoder::new(work.config.clone(), weights, &device.device, precision);
        let decoder = decoder.map_err(Failure::run)?;
        Box::new(decoder.with_gradient_checkpointing(args.gradient_checkpointing))
    };
    if args.lora {
        let mut rng = RootSeed(0).stream("lora", &[]);
        engine.set_adapter(Some(Adapter::new(LoraConfig::default(), &work.config, &mut rng)));
    }
    Ok(engine)
}

/// Seconds of one step.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    rollout_s: Option<f64>,
    backward_s: Option<f64>,
    optimizer_s: Option<f64>,
}

impl Times {
    fn update_s(&self) -> Option<f64> {
        Some(self.backward_s? + self.optimizer_s?)
    }
}

/// What is kept from step to step.
struct Bench<'a> {
    args: &'a BenchArgs,
    work: &'a Workload,
    engine: Box<dyn Engine>,
    optimizer: AdamW,
    grads: Vec<f32>,
}

impl<'a> Bench<'a> {
    fn new(args: &'a BenchArgs, work: &'a Workload, engine: Box<dyn Engine>) -> Self {
        let n = match args.parts.contains(&Part::Update) {
            true => engine.params().len(),
            false => 0,
        };
        let optimizer = AdamW::new(AdamWConfig::default(), n);
        Self { args, work, engine, optimizer, grads: vec![0.0; n] }
    }

    fn step(&mut self, step: u64) -> e2h_model::Result<Times> {
        let mut times = Times::default();
        let prompts =
            self.random_tokens("prompts", step, self.work.prompts, self.work.prompt_tokens);
        let completions = if self.args.parts.contains(&Part::Decode) {
            let start = Instant::now();
            let done = self.roll_out(step, &prompts)?;
            times.rollout_s = Some(start.elapsed().as_secs_f64());
            done.into_iter().map(|generation| generation.tokens).collect()
        } else {
            let n = self.work.sequences();
            self.random_tokens("completions", step, n, self.work.completion)
        };
        if self.args.parts.contains(&Part::Update) {
            let start = Instant::now();
            self.backward(step, &prompts, &completions)?;
            times.backward_s = Some(start.elapsed().as_secs_f64());
            let start = Instant::now();
            clip_global_norm(&mut self.grads, 1.0);
            let (optimizer, grads) = (&mut self.optimizer, &self.grads);
            self.engine.update_params(&mut |layout, params| {
                optimizer.update(layout, params, grads, 1e-6);
            });
            times.optimizer_s = Some(start.elapsed().as_secs_f64());
        }
        Ok(times)
    }

    fn random_tokens(&self, name: &str, step: u64, n: usize, len: usize) -> Vec<Vec<TokenId>> {
        let mut rng = RootSeed(0).stream(name, &[step]);
        let vocab_size = self.work.config.vocab_size as u32;
        let mut row = || (0..len).map(|_| rng.random_range(2..vocab_size)).collect();
        (0..n).map(|_| row()).collect()
    }

    /// Sequences that share one computation of their prompt.
    fn shared(&self) -> usize {
        if self.args.shared_prompts { self.work.group } else { 1 }
    }

    fn roll_out(&self, step: u64, prompts: &[Vec<TokenId>]) -> e2h_model::Result<Vec<Generation>> {
        let (shared, group) = (self.shared(), self.work.group);
        let stream = |i: usize| RootSeed(0).stream("rollout", &[step, i as u64]);
        let requests = (0..self.work.sequences() / shared).map(|i| GenerateRequest {
            prompt: prompts[i * shared / group].clone(),
            streams: (0..shared).map(|j| stream(i * shared + j)).collect(),
        });
        let sampling = Sampling { max_tokens: self.work.completion, ..Sampling::default() };
        let never = |_: &[TokenId]| None;
        let done = self.engine.generate(requests.collect(), &sampling, &never)?;
        Ok(done.into_iter().flatten().collect())
    }

    /// Leaves the gradient of a policy-gradient loss with random advantages in `self.grads`.
    fn backward(
        &mut self,
        step: u64,
        prompts: &[Vec<TokenId>],
        completions: &[Vec<TokenId>],
    ) -> e2h_model::Result<()> {
        let (shared, group) = (self.shared(), self.work.group);
        let mut rng = RootSeed(0).stream("advantages", &[step]);
        let advantages: Vec<f32> = completions.iter().map(|_| rng.random::<f32>() - 0.5).collect();
        let groups: Vec<Group<'_>> = completions
            .chunks(shared)
            .enumerate()
            .map(|(i, members)| Group {
                prompt: &prompts[i * shared / group],
                completions: members.iter().map(Vec::as_slice).collect(),
            })
            .collect();
        let weight = 1.0 / (completions.len() * self.work.completion) as f32;
        let loss = |stats: &TokenStats<'_>| {
            let n = stats.logprobs.len();
            let mut given = TokenGrads { d_logprobs: vec![0.0; n], d_entropies: vec![0.0; n] };
            for (range, &sequence) in stats.offsets.windows(2).zip(stats.sequences) {
                given.d_logprobs[range[0]..range[1]].fill(-weight * advantages[sequence]);
            }
            given
        };
        self.engine.set_dropout_stream(RootSeed(0).stream("dropout", &[step]));
        self.grads.fill(0.0);
        self.engine.backward(&groups, self.args.token_budget, &mut self.grads, &loss)
    }
}

/// What came out.
struct Measured {
    limits: Option<Limits>,
    times: Vec<Times>,
    bound: Bound,
    n_params: usize,
    n_trained: usize,
    fused: bool,
}

impl Measured {
    fn median(&self, value: impl Fn(&Times) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.times.iter().filter_map(value).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            n if n % 2 == 1 => Some(values[middle]),
            _ => Some(0.5 * (values[middle - 1] + values[middle])),
        }
    }

    /// The peer's fields, and what the machine can do at best beside what it did.
    fn json(&self, args: &BenchArgs, work: &Workload, device: &DeviceChoice) -> Value {
        let n = work.sequences();
        let (rollout_s, update_s) = (self.median(|t| t.rollout_s), self.median(Times::update_s));
        let drawn = rollout_s.map(|s| (n * work.completion) as f64 / s);
        let taken = update_s.map(|s| (n * (work.prompt_tokens + work.completion)) as f64 / s);
        let decode_limit =
            self.limits.map(|l| self.bound.decode_tok_per_s(work, l.copy_bytes_per_s));
        let update_limit =
            self.limits.map(|l| self.bound.update_tok_per_s(work, l.matmul_flop_per_s));
        let share = |rate: Option<f64>, limit: Option<f64>| Some(rate? / limit?);
        json!({
            "peer": "e2h", "device": device.name, "device_reason": device.reason,
            "engine": if self.fused { "fused" } else { "burn" }, "dtype": args.dtype.name(),
            "preset": work.name, "sequences": n, "prompt": work.prompt_tokens,
            "completion": work.completion, "lora": args.lora,
            "gradient_checkpointing": args.gradient_checkpointing,
            "shared_prompts": args.shared_prompts, "token_budget": args.token_budget,
            "steps": self.times.len(), "params": self.n_params, "trained_params": self.n_trained,
            "rollout_tok_per_s": drawn, "update_tok_per_s": taken,
            "rollout_s": rollout_s, "update_s": update_s,
            "backward_s": self.median(|t| t.backward_s),
            "optimizer_s": self.median(|t| t.optimizer_s),
            "step_s": self.median(|t| Some(t.rollout_s? + t.update_s()?)),
            "copy_bytes_per_s": self.limits.map(|l| l.copy_bytes_per_s),
            "matmul_flop_per_s": self.limits.map(|l| l.matmul_flop_per_s),
            "decode_bytes_a_token_step": self.bound.decode_bytes,
            "update_flop": self.bound.update_flop,
            "rollout_limit_tok_per_s": decode_limit, "update_limit_tok_per_s": update_limit,
            "rollout_share": share(drawn, decode_limit), "update_share": share(taken, update_limit),
        })
    }
}

/// The result for a person.
fn text(value: &Value) -> String {
    let number = |key: &str, unit: f64| value[key].as_f64().map(|number| number / unit);
    let line = |name: &str, rate: &str, limit: &str, share: &str| {
        let (rate, limit) = (number(rate, 1.0), number(limit, 1.0));
        let of = match (limit, number(share, 0.01)) {
            (Some(limit), Some(share)) => format!(", {share:.0}% of at most {limit:.0}"),
            _ => String::new(),
        };
        rate.map(|rate| format!("{name}  {rate:.0} tokens/s{of}"))
    };
    let limits = number("copy_bytes_per_s", 1e9)
        .zip(number("matmul_flop_per_s", 1e9))
        .map(|(copy, matmul)| format!("limits   copy {copy:.1} GB/s, product {matmul:.0} GFLOP/s"));
    let step = number("step_s", 1.0).map(|step| format!("step     {step:.3} s"));
    let lines = [
        Some(format!(
            "work     {}: {} sequences of {} + {} tokens, {}",
            value["preset"].as_str().unwrap_or_default(),
            value["sequences"],
            value["prompt"],
            value["completion"],
            value["dtype"].as_str().unwrap_or_default(),
        )),
        limits,
        line("rollout", "rollout_tok_per_s", "rollout_limit_tok_per_s", "rollout_share"),
        line("update ", "update_tok_per_s", "update_limit_tok_per_s", "update_share"),
        step,
    ];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}
