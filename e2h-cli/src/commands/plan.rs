//! `e2h train --dry-run`: what a run would do, from the configuration and the model's shape alone.
//!
//! Memory in bytes, for `n` weights of which `m` are trained and `w` worker threads:
//! weights `4 n`, the fused engine's packed copy of them while it decodes `4 n`, an adapter `4 m`, gradients
//! `4 m (1 + w)`, AdamW `8 m`, a reference `4 n` where the loss has a KL
//! term and there is no adapter that could be switched off for it, and the keys
//! and values of all prompts and completions that are decoded at a time, `2 L K D` numbers a token.
//! Activations of a slice are not in it: they grow with `train.token_budget`.

use e2h_core::{Level, RootSeed, Split, Task};
use e2h_model::{Adapter, Layout, ModelConfig, TextCodec};
use e2h_sched::Preview;
use serde_json::{Value, json};

use crate::bytes::size;
use crate::commands::model::shape;
use crate::commands::tasks::first_problem;
use crate::config::{Config, EngineKind, n_train_levels};
use crate::hints::{Failure, Outcome};
use crate::progress::out;

/// Sequences that a worker thread decodes at a time, at most.
const MAX_ROWS: usize = 128;

/// Prints the plan of a run.
pub(crate) fn run(config: &Config, as_json: bool) -> Outcome {
    let task = config.task.clone().task().map_err(first_problem)?;
    let (shape, text) = shape(&config.model.base)?;
    let plan = plan(config, task.as_ref(), &shape, text.as_ref())?;
    match as_json {
        true => out(&serde_json::to_string_pretty(&plan).unwrap_or_default()),
        false => out(&page(&plan)),
    }
    Ok(())
}

/// The longest prompt among one problem of each level, in tokens; none where problems come from files or the
/// tokenizer is not there.
fn prompt_tokens(config: &Config, task: &dyn Task, text: Option<&TextCodec>) -> Option<usize> {
    let text = text?;
    let lengths = (0..task.levels().len()).map(|level| {
        let mut rng = RootSeed(config.seed).stream("plan", &[level as u64]);
        let problem = task.generate(Level::at(level), Split::Train, &mut rng).ok()?;
        Some(text.encode_prompt(&task.prompt(&problem).ok()?).ok()?.len())
    });
    lengths.flatten().max()
}

fn plan(
    config: &Config,
    task: &dyn Task,
    shape: &ModelConfig,
    text: Option<&TextCodec>,
) -> Outcome<Value> {
    let train = &config.train;
    let curriculum = config.schedule.build(n_train_levels(task), train.steps);
    let curriculum = curriculum.map_err(Failure::usage)?;
    let preview = Preview::new(curriculum.as_ref(), train.steps, train.prompts as u64);
    let labels = task.levels().iter().filter(|level| !level.ood).map(|level| &level.label);
    let counts: Vec<Value> = labels
        .zip(&preview.expected_counts)
        .map(|(label, count)| json!({"level": label, "prompts": count.round()}))
        .collect();
    let rollouts = train.prompts * train.group_size;
    let prompt = prompt_tokens(config, task, text);
    let longest = prompt.unwrap_or(0) + train.sampling.max_tokens;
    if longest > shape.max_positions {
        let message = format!(
            "a prompt and a completion take up to {longest} tokens, but the context of {} is {}",
            config.model.base, shape.max_positions
        );
        return Err(Failure::usage(message).hint("lower train.sampling.max_tokens"));
    }
    let memory = memory(config, shape, prompt.unwrap_or(0));
    let total: f64 = memory.iter().map(|(_, bytes)| bytes).sum();
    let parts = memory.iter().map(|(name, bytes)| ((*name).to_owned(), json!(bytes.round())));
    Ok(json!({
        "task": task.name(),
        "model": config.model.base,
        "parameters": Layout::new(shape).n_params(),
        "schedule": config.schedule.kind.name(),
        "steps": train.steps,
        "prompts_a_step": train.prompts,
        "rollouts_a_step": rollouts,
        "prompt_tokens": prompt,
        "most_completion_tokens_a_step": rollouts * train.sampling.max_tokens,
        "rollouts": train.steps * rollouts as u64,
        "expected_prompts": counts,
        "memory_bytes": parts.collect::<serde_json::Map<_, _>>(),
        "memory_bytes_total": total.round(),
    }))
}

/// What takes how much memory, in bytes.
fn memory(config: &Config, shape: &ModelConfig, prompt: usize) -> Vec<(&'static str, f64)> {
    let train = &config.train;
    let n = Layout::new(shape).n_params() as f64;
    let adapter = config.model.lora.as_ref().map(|lora| {
        let mut rng = RootSeed(config.seed).stream("plan", &[]);
        Adapter::new(lora.clone(), shape, &mut rng).params().len() as f64
    });
    let trained = adapter.unwrap_or(n);
    let threads = rayon::current_num_threads();
    let decoded = (train.prompts * train.group_size).min(MAX_ROWS * threads);
    let kv = 2 * shape.n_layers * shape.kv_size();
    let cached = decoded * train.sampling.max_tokens + train.prompts * prompt;
    // An adapter's reference is the same weights with the adapter off.
    let reference = if train.kl_beta > 0.0 && adapter.is_none() { 4.0 * n } else { 0.0 };
    let is_fused = !matches!(config.model.engine, EngineKind::Burn);
    vec![
        ("weights", 4.0 * n),
        ("packed_weights", if is_fused { 4.0 * n } else { 0.0 }),
        ("adapter", 4.0 * adapter.unwrap_or(0.0)),
        ("gradients", 4.0 * trained * (1 + threads) as f64),
        ("optimizer", 8.0 * trained),
        ("reference", reference),
        ("keys_and_values", (4 * kv * cached) as f64),
    ]
}

/// The plan for a person.
fn page(plan: &Value) -> String {
    let shown = |bytes: &Value| size(bytes.as_f64().unwrap_or(0.0));
    let text = |key: &str| plan[key].as_str().unwrap_or_default().to_owned();
    let counts: Vec<String> = plan["expected_prompts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| format!("{} {}", row["level"].as_str().unwrap_or_default(), row["prompts"]))
        .collect();
    let memory: Vec<String> = plan["memory_bytes"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, bytes)| format!("{} {}", name.replace('_', " "), shown(bytes)))
        .collect();
    let prompt = plan["prompt_tokens"].as_u64().map_or_else(
        || "unknown before the rows are read".to_owned(),
        |tokens| format!("about {tokens} tokens"),
    );
    format!(
        "task      {}\n\
         model     {}: {:.2} M parameters\n\
         steps     {} of {} prompts, {} rollouts each step\n\
         tokens    prompts {prompt}; completions up to {} a step\n\
         schedule  {}; expected prompts: {}\n\
         memory    {} without activations: {}",
        text("task"),
        text("model"),
        plan["parameters"].as_f64().unwrap_or(0.0) / 1e6,
        plan["steps"],
        plan["prompts_a_step"],
        plan["rollouts_a_step"],
        plan["most_completion_tokens_a_step"],
        text("schedule"),
        counts.join(", "),
        shown(&plan["memory_bytes_total"]),
        memory.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_counts_what_the_schedule_and_the_shape_say() {
        let config = Config {
            train: e2h_rl::GrpoConfig { steps: 1600, ..Default::default() },
            ..Config::default()
        };
        let task = config.task.clone().task().expect("valid");
        let shape = ModelConfig { max_positions: 4096, ..ModelConfig::nano(100) };
        let plan = plan(&config, task.as_ref(), &shape, None).expect("it fits");
        let counts: f64 = plan["expected_prompts"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|row| row["prompts"].as_f64())
            .sum();
        assert!((counts - 12_800.0).abs() <= 2.0, "{counts}");
        assert_eq!(plan["most_completion_tokens_a_step"], 64 * 512);
        let n = Layout::new(&shape).n_params() as f64;
        assert_eq!(plan["memory_bytes"]["weights"], 4.0 * n);
        let short = ModelConfig { max_positions: 256, ..shape };
        assert!(super::plan(&config, task.as_ref(), &short, None).is_err());
        assert!(
            page(&plan).contains("1600 of 8 prompts, 64 rollouts each step"),
            "{}",
            page(&plan)
        );
    }
}
