//! The bounds of every setting of a training run.

use super::GrpoConfig;

impl GrpoConfig {
    /// Every setting that is out of range, with its bound; empty when all is well.
    pub fn validate(&self) -> Vec<e2h_core::Error> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, name: &str, got: String, expected: &str| {
            if !ok {
                problems.push(e2h_core::Error::OutOfRange {
                    name: name.to_owned(),
                    got,
                    expected: expected.to_owned(),
                });
            }
        };
        let mut whole = |name: &str, value: u64, least: u64| {
            check(value >= least, name, value.to_string(), &format!("at least {least}"));
        };
        whole("steps", self.steps, 1);
        whole("prompts", self.prompts as u64, 1);
        whole("group_size", self.group_size as u64, if self.is_ppo() { 1 } else { 2 });
        whole("num_iterations", self.num_iterations as u64, 1);
        whole("minibatches", self.minibatches as u64, 1);
        whole("max_bad_updates", u64::from(self.max_bad_updates), 1);
        whole("token_budget", self.token_budget as u64, 1);
        whole("sampling.max_tokens", self.sampling.max_tokens as u64, 1);
        let mut real = |name: &str, value: f64, least: f64, most: f64| {
            let expected = if most.is_finite() {
                format!("from {least} to {most}")
            } else {
                format!("at least {least}")
            };
            check((least..=most).contains(&value), name, value.to_string(), &expected);
        };
        real("lr", self.lr, 0.0, 1.0);
        real("lr_final_frac", self.lr_final_frac, 0.0, 1.0);
        real("clip_eps_low", self.clip_eps_low, 0.0, 1.0);
        real("clip_eps_high", self.clip_eps_high, 0.0, f64::INFINITY);
        real("clip_delta", self.clip_delta, 0.0, f64::INFINITY);
        real("top_entropy_quantile", self.top_entropy_quantile, 0.0, 1.0);
        real("cispo_cap", self.cispo_cap, 0.0, f64::INFINITY);
        real("sapo_temperature_pos", self.sapo_temperature_pos, 1e-6, f64::INFINITY);
        real("sapo_temperature_neg", self.sapo_temperature_neg, 1e-6, f64::INFINITY);
        real("vespo_k_pos", self.vespo_k_pos, 0.0, f64::INFINITY);
        real("vespo_lambda_pos", self.vespo_lambda_pos, 0.0, f64::INFINITY);
        real("vespo_k_neg", self.vespo_k_neg, 0.0, f64::INFINITY);
        real("vespo_lambda_neg", self.vespo_lambda_neg, 0.0, f64::INFINITY);
        let cap = self.importance_sampling_cap;
        real("importance_sampling_cap", cap, 0.0, f64::INFINITY);
        real("reference_mixup", self.reference_mixup, 0.0, 1.0);
        real("overlong_penalty", self.overlong_penalty, 0.0, f64::INFINITY);
        real("kl_beta", self.kl_beta, 0.0, f64::INFINITY);
        real("entropy_coef", self.entropy_coef, 0.0, f64::INFINITY);
        real("adamw.beta1", self.adamw.beta1, 0.0, 1.0 - 1e-9);
        real("adamw.beta2", self.adamw.beta2, 0.0, 1.0 - 1e-9);
        real("adamw.weight_decay", self.adamw.weight_decay, 0.0, 1.0);
        real("ppo.gamma", self.ppo.gamma, 0.0, 1.0);
        real("ppo.lambda", self.ppo.lambda, 0.0, 1.0);
        real("ppo.value_coef", self.ppo.value_coef, 0.0, f64::INFINITY);
        real("ppo.value_clip", self.ppo.value_clip, 0.0, f64::INFINITY);
        real("ppo.value_lr_factor", self.ppo.value_lr_factor, 0.0, f64::INFINITY);
        real("sampling.top_p", self.sampling.top_p, 1e-6, 1.0);
        real("sampling.min_p", self.sampling.min_p, 0.0, 1.0);
        let positive = |value: f64| value > 0.0 && !value.is_nan();
        let (norm, temperature) = (self.max_grad_norm, self.sampling.temperature);
        check(positive(norm), "max_grad_norm", norm.to_string(), "over 0");
        check(
            positive(temperature) && temperature.is_finite(),
            "sampling.temperature",
            temperature.to_string(),
            "over 0: a group of greedy rollouts is all alike",
        );
        let (buffer, limit) = (self.overlong_buffer, self.sampling.max_tokens);
        let bound = format!("at most sampling.max_tokens, which is {limit}");
        check(buffer <= limit, "overlong_buffer", buffer.to_string(), &bound);
        for part in &self.reward_weights {
            let name = format!("reward_weights.{}", part.name);
            check(part.weight.is_finite(), &name, part.weight.to_string(), "a finite number");
        }
        let (every, moves) = (self.reference_sync_steps, self.kl_beta > 0.0);
        let bound = "0 while kl_beta is 0: no reference policy is kept";
        check(every == 0 || moves, "reference_sync_steps", every.to_string(), bound);
        let delta = self.clip_delta;
        let bound = "0, or over 1 + clip_eps_high";
        let is_bound = delta == 0.0 || delta > 1.0 + self.clip_eps_high;
        check(is_bound, "clip_delta", delta.to_string(), bound);
        for (name, got, expected) in self.against_ppo() {
            check(false, name, got, expected);
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_bad_values_are_all_reported() {
        assert!(GrpoConfig::default().validate().is_empty());
        let bad =
            GrpoConfig { group_size: 1, lr: f64::NAN, kl_beta: -1.0, ..GrpoConfig::default() };
        let problems: Vec<_> = bad.validate().iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "`group_size` is 1, but must be at least 2",
                "`lr` is NaN, but must be from 0 to 1",
                "`kl_beta` is -1, but must be at least 0",
            ]
        );
    }

    #[test]
    fn a_bound_on_the_ratio_within_the_clip_range_is_refused() {
        let bad = GrpoConfig { clip_delta: 1.1, overlong_buffer: 9999, ..GrpoConfig::default() };
        let problems = bad.validate();
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
