//! The presets of `configs/`, by name. Those of `paper/` are the runs of the E2H reference,
//! those of `gpu/` runs on one GPU.

macro_rules! presets {
    ($($name:literal,)+) => {
        &[$(($name, include_str!(concat!("../../configs/", $name, ".toml")))),+]
    };
}

/// Every preset: its name and its text. Files that others inherit are among them.
pub(crate) const PRESETS: &[(&str, &str)] = presets![
    "countdown-nano",
    "blocksworld-nano",
    "gpu/smollm2",
    "gpu/countdown",
    "gpu/blocksworld",
    "paper/recipe",
    "paper/countdown",
    "paper/blocksworld",
    "paper/math",
    "paper/gsm8k",
    "paper/aqua",
    "paper/qwen2.5-1.5b-countdown",
    "paper/qwen2.5-1.5b-blocksworld",
    "paper/qwen2.5-1.5b-math",
    "paper/qwen2.5-1.5b-gsm8k",
    "paper/qwen2.5-1.5b-aqua",
    "paper/qwen2.5-3b-countdown",
    "paper/qwen2.5-3b-blocksworld",
    "paper/qwen2.5-3b-math",
    "paper/qwen2.5-3b-gsm8k",
    "paper/qwen2.5-3b-aqua",
    "paper/llama-3.2-3b-countdown",
    "paper/llama-3.2-3b-blocksworld",
    "paper/llama-3.2-3b-math",
    "paper/llama-3.2-3b-gsm8k",
    "paper/llama-3.2-3b-aqua",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigArgs;

    #[test]
    fn every_preset_resolves() {
        for (name, _) in PRESETS {
            let args = ConfigArgs { preset: Some((*name).to_owned()), ..ConfigArgs::default() };
            let resolved = args.resolve();
            assert!(
                resolved.is_ok(),
                "{name}: {}",
                resolved.err().map_or(String::new(), |e| e.to_string())
            );
        }
    }

    #[test]
    fn every_value_of_the_papers_presets_cites_its_source() {
        for (name, text) in PRESETS.iter().filter(|(name, _)| name.starts_with("paper/")) {
            let values = text.lines().filter(|line| {
                line.contains('=') && !line.starts_with('#') && !line.starts_with("inherit")
            });
            let mut n = 0;
            for line in values {
                let source = line.split_once(" # ").map(|(_, source)| source.trim());
                assert!(source.is_some_and(|source| source.len() > 3), "{name}: {line}");
                n += 1;
            }
            assert!(n > 0, "{name} has no value");
        }
    }

    #[test]
    fn runs_of_the_paper_differ_in_model_and_task_alone() {
        let resolve = |name: &str| {
            let args = ConfigArgs { preset: Some(name.to_owned()), ..ConfigArgs::default() };
            args.resolve().expect("valid").value
        };
        let one = resolve("paper/qwen2.5-1.5b-countdown");
        let other = resolve("paper/llama-3.2-3b-countdown");
        assert_ne!(one.model.base, other.model.base);
        assert_eq!(one.train, other.train);
        assert_eq!((one.train.steps, one.train.prompts, one.train.group_size), (1600, 8, 8));
        let lora = one.model.lora.expect("the recipe adapts");
        assert_eq!((lora.rank, lora.alpha, lora.dropout), (32, 64.0, 0.1));
    }
}
