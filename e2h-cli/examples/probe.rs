//! Throw-away probe of nano settings.
#![allow(clippy::print_stdout, clippy::unwrap_used)]
use std::time::Instant;
use e2h_core::*;
use e2h_model::*;
use e2h_rl::*;
use e2h_sched::*;
use e2h_tasks::registry::TaskConfig;

fn arg<T: std::str::FromStr>(name: &str, default: T) -> T {
    let mut args = std::env::args();
    while let Some(a) = args.next() {
        if a == format!("--{name}") { return args.next().unwrap().parse().ok().unwrap(); }
    }
    default
}

fn main() {
    let task_json: String = arg("task", r#"{"name":"countdown-nano"}"#.into());
    let config: TaskConfig = serde_json::from_str(&task_json).unwrap();
    let play = config.clone().legal_play().unwrap().unwrap();
    let seed = RootSeed(arg("seed", 1));
    let base: String = arg("base", "".into());
    let text = TextCodec::word_level(&play.vocabulary()).unwrap();
    let hidden = arg("hidden", 128usize);
    let layers = arg("layers", 4usize);
    let heads = arg("heads", 4usize);
    let mc = ModelConfig { hidden_size: hidden, n_layers: layers, n_heads: heads, n_kv_heads: heads, head_dim: hidden / heads, intermediate_size: hidden * 3, max_positions: 256, ..ModelConfig::nano(text.vocab_size()) };
    let max_tokens = arg("max-tokens", 96usize);
    let dir = std::path::PathBuf::from(&base);
    let mut policy = if !base.is_empty() && dir.join("model.safetensors").exists() { LanguageModel::load(&dir).unwrap() } else {
        let model = Model::new(mc, &mut seed.stream("init", &[]));
        println!("params {} vocab {}", model.params().len(), text.vocab_size());
        let mut policy = LanguageModel::new(model, text).unwrap();
        let sft = SftConfig { steps: arg("sft", 1500), batch: arg("batch", 64), lr: arg("sft-lr", 1e-3), play: PlayConfig { hindsight_frac: arg("hind", 0.0), hindsight_max_moves: arg("hind-moves", 1) }, ..SftConfig::default() };
        let t = Instant::now();
        let (mut acc, mut n) = (0.0, 0);
        train_on_play(&mut policy, play.as_ref(), &sft, seed, |s, l| { acc += l; n += 1; if s % 250 == 249 { println!("sft {s} loss {:.4} {:.0}s", acc / n as f64, t.elapsed().as_secs_f64()); acc = 0.0; n = 0; } }).unwrap();
        if !base.is_empty() { policy.save(&dir, WeightFormat::F16).unwrap(); policy = LanguageModel::load(&dir).unwrap(); }
        policy
    };
    let task: &dyn Task = play.as_ref();
    let ec = EvalConfig { problems_per_level: arg("eval", 200), n_samples: arg("pass", 0), k: vec![1, 8], ..EvalConfig::default() };
    let problems = held_out(task, &ec).unwrap();
    let sampling = Sampling { max_tokens, ..Sampling::default() };
    let show = |policy: &mut LanguageModel, what: &str| {
        let t = Instant::now();
        let r = evaluate(policy, task, &problems, &sampling, &ec, |_| {}).unwrap();
        let s: Vec<String> = r.levels.iter().map(|l| format!("{:.1}{}{}", l.accuracy * 100.0, if l.n_bad_format > 0 { format!("(bf{})", l.n_bad_format) } else { String::new() }, l.pass_at_k.iter().map(|(k, p)| format!(" p@{k} {:.1}", p * 100.0)).collect::<String>())).collect();
        println!("{what}: {} | mean train {:.1} ({:.1}s)", s.join(" / "), r.train_mean() * 100.0, t.elapsed().as_secs_f64());
    };
    show(&mut policy, "base");
    let steps = arg("steps", 0u64);
    if steps == 0 { return; }
    let gc = GrpoConfig { steps, prompts: arg("prompts", 16), group_size: arg("group", 16), lr: arg("lr", 1e-4), kl_beta: 0.0, entropy_coef: arg("ent", 0.0), sampling: sampling.clone(), warmup_steps: 10, lr_final_frac: arg("lr-final", 0.1), num_iterations: arg("iters", 1), ..GrpoConfig::default() };
    let pools = training_pools(task, seed, 4096).unwrap();
    let sc: ScheduleConfig = serde_json::from_str(&arg("sched", r#"{"kind":"gaussian"}"#.to_string())).unwrap();
    let sizes: Vec<u64> = pools.iter().map(|p| p.len() as u64).collect();
    let n = policy.model.params().len();
    let mut tr = Trainer { policy, reference: None, optimizer: AdamW::new(gc.adamw, n), curriculum: sc.build(pools.len(), steps).unwrap(), sampler: Box::new(LevelSampler::new(seed, &sizes, Picking::Independent).unwrap()), task, pools: &pools, config: &gc, seed, bad_updates: 0 };
    let t = Instant::now();
    let every = arg("every", 20u64);
    let (mut ro, mut up, mut tok, mut utok, mut zv) = (0.0, 0.0, 0usize, 0usize, 0.0);
    for step in 0..steps {
        let r = tr.step(step).unwrap();
        ro += r.times.rollout_s; up += r.update_s; tok += r.n_tokens(); utok += r.update.update_tokens; zv += r.zero_variance_frac();
        if step % every == every - 1 {
            let lv: Vec<String> = (0..pools.len()).map(|l| r.accuracy(Some(l)).map_or("-".into(), |a| format!("{:.0}", a * 100.0))).collect();
            println!("{step} {:.0}s p {} acc {} H {:.3} zv {:.2} gn {:.2} ratio {:.5} | roll {:.0} tok/s upd {:.0} tok/s, ro {:.2}s up {:.2}s score {:.3}", t.elapsed().as_secs_f64(), r.probs.iter().map(|p| format!("{:.2}", p)).collect::<Vec<_>>().join(","), lv.join("/"), r.entropy(), zv / every as f64, r.update.grad_norm, r.update.ratio_mean, tok as f64 / ro, utok as f64 / up, ro / every as f64, up / every as f64, r.times.score_s);
            (ro, up, tok, utok, zv) = (0.0, 0.0, 0, 0, 0.0);
        }
        if step % 100 == 99 { show(&mut tr.policy, &format!("step {}", step + 1)); }
    }
    println!("total {:.0}s", t.elapsed().as_secs_f64());
    if let Ok(out) = std::env::var("OUT") { tr.policy.save(std::path::Path::new(&out), WeightFormat::F16).unwrap(); }
}
