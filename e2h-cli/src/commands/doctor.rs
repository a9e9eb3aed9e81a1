//! `e2h doctor`: what this machine can do.
//!
//! Memory for training all weights in f32 with AdamW is 16 bytes a parameter: weight, gradient and two moments.
//! A fifth is added for activations, the KV cache and the optimiser's scratch; sampling alone takes 4 bytes.
//!
//! # Deviations
//! The estimate knows neither batch size nor length; long completions and large groups need more.

use serde_json::{Value, json};

use crate::args::{DoctorArgs, DoctorCommand};
use crate::bytes::GIB;
use crate::hints::Outcome;
use crate::progress::out;

mod probe;
mod scale;

use probe::{Cpu, Gpu};
pub(crate) use scale::ScaleArgs;

/// Sizes of well-known open models, in billions of parameters.
const SIZES: [(&str, f64); 7] = [
    ("nano, shipped with E2H", 0.001),
    ("SmolLM2-135M", 0.135),
    ("SmolLM2-360M", 0.362),
    ("Qwen2.5-0.5B", 0.494),
    ("Qwen3-0.6B", 0.596),
    ("Qwen2.5-1.5B", 1.544),
    ("Llama-3.2-3B", 3.213),
];
/// Bytes a parameter for training: weight, gradient, two moments.
const TRAIN_BYTES: f64 = 16.0;
/// Bytes a parameter for sampling.
const SAMPLE_BYTES: f64 = 4.0;
/// What comes on top of the parameters.
const ROOM: f64 = 1.2;

/// What was found.
struct Machine {
    cpu: Cpu,
    /// Total and available memory in bytes, where the system tells.
    memory: Option<(u64, u64)>,
    gpus: Result<Vec<Gpu>, String>,
    /// Why E2H itself can or cannot compute on CUDA.
    cuda: Result<String, String>,
    /// Free bytes where runs would be written.
    disk: Option<u64>,
}

/// Runs the command.
pub(crate) fn run(args: &DoctorArgs) -> Outcome {
    if let Some(DoctorCommand::Scale(args)) = &args.command {
        return scale::run(args);
    }
    let machine = Machine {
        cpu: probe::cpu(),
        memory: probe::memory(),
        gpus: probe::gpus(),
        cuda: e2h_model::device("cuda")
            .map(|device| device.name)
            .map_err(|error| error.to_string()),
        disk: probe::free_disk(),
    };
    match args.json {
        true => out(&serde_json::to_string_pretty(&machine.json()).unwrap_or_default()),
        false => out(&machine.text()),
    }
    Ok(())
}

/// Gibibytes that a model of `billions` parameters needs.
fn need_gib(billions: f64, bytes: f64) -> f64 {
    billions * 1e9 * bytes * ROOM / GIB
}

impl Machine {
    /// What there is to compute in, in GiB: the largest GPU that E2H can use, or else the memory.
    fn room(&self) -> Option<(&'static str, f64)> {
        let gpu = match (&self.cuda, &self.gpus) {
            (Ok(_), Ok(gpus)) => gpus.iter().map(|gpu| gpu.memory_gib).reduce(f64::max),
            _ => None,
        };
        let memory = self.memory.map(|(_, available)| ("CPU", available as f64 / GIB));
        gpu.map(|gib| ("GPU", gib)).or(memory)
    }

    fn text(&self) -> String {
        let cpu = &self.cpu;
        let mut lines = vec![
            format!("cpu      {}", cpu.name),
            format!("cores    {} usable", cpu.cores),
            format!("simd     {}; kernels use {}", list(&cpu.features), cpu.kernels),
        ];
        lines.push(match self.memory {
            Some((total, available)) => format!(
                "memory   {:.1} GiB, {:.1} GiB of it available",
                total as f64 / GIB,
                available as f64 / GIB
            ),
            None => "memory   unknown on this system".to_owned(),
        });
        match &self.gpus {
            Ok(gpus) => lines.extend(gpus.iter().map(|gpu| {
                format!("gpu      {}, {:.0} GiB, driver {}", gpu.name, gpu.memory_gib, gpu.driver)
            })),
            Err(reason) => lines.push(format!("gpu      none: {reason}")),
        }
        lines.push(match &self.cuda {
            Ok(name) => format!("cuda     {name}: `--device cuda` works"),
            Err(reason) => format!("cuda     not usable: {reason}"),
        });
        lines.push(match self.disk {
            Some(free) => format!("disk     {:.1} GiB free here", free as f64 / GIB),
            None => "disk     unknown on this system".to_owned(),
        });
        if let Some((place, room)) = self.room() {
            lines.push(format!(
                "\nModels on the {place} ({room:.1} GiB), all weights trained in f32, an estimate:"
            ));
            for (name, billions) in SIZES {
                let (train, sample) =
                    (need_gib(billions, TRAIN_BYTES), need_gib(billions, SAMPLE_BYTES));
                lines.push(format!(
                    "  {name:<24} {:>7} M parameters  train {train:>6.2} GiB {:<13} sample \
                     {sample:>6.2} GiB {}",
                    number(billions * 1e3),
                    fits(train, room),
                    fits(sample, room),
                ));
            }
        }
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let room = self.room();
        let model = |(name, billions): (&str, f64)| {
            let (train, sample) =
                (need_gib(billions, TRAIN_BYTES), need_gib(billions, SAMPLE_BYTES));
            json!({
                "name": name,
                "params": (billions * 1e9).round() as u64,
                "train_gib": train,
                "sample_gib": sample,
                "train_fits": room.map(|(_, room)| train <= room),
                "sample_fits": room.map(|(_, room)| sample <= room),
            })
        };
        let gpu = |gpu: &Gpu| json!({"name": gpu.name, "memory_gib": gpu.memory_gib, "driver": gpu.driver});
        json!({
            "cpu": self.cpu.name,
            "cores": self.cpu.cores,
            "simd": self.cpu.features,
            "kernels": self.cpu.kernels,
            "memory_bytes": self.memory.map(|(total, _)| total),
            "memory_available_bytes": self.memory.map(|(_, available)| available),
            "gpus": self.gpus.as_ref().map(|gpus| gpus.iter().map(gpu).collect::<Vec<_>>()).unwrap_or_default(),
            "cuda": self.cuda.is_ok(),
            "cuda_reason": self.cuda.as_ref().err(),
            "disk_free_bytes": self.disk,
            "models": SIZES.into_iter().map(model).collect::<Vec<_>>(),
        })
    }
}

fn fits(need: f64, room: f64) -> &'static str {
    match need / room {
        share if share <= 0.7 => "fits",
        share if share <= 1.0 => "fits, tightly",
        _ => "too large",
    }
}

fn number(millions: f64) -> String {
    format!("{millions:.0}")
}

fn list(words: &[&str]) -> String {
    if words.is_empty() { "none known".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(available_gib: u64) -> Machine {
        Machine {
            cpu: Cpu {
                name: "a CPU".to_owned(),
                cores: 2,
                features: vec!["avx2"],
                kernels: "avx2",
            },
            memory: Some((64 << 30, available_gib << 30)),
            gpus: Err("no driver".to_owned()),
            cuda: Err("no feature".to_owned()),
            disk: Some(10 << 30),
        }
    }

    #[test]
    fn a_model_fits_where_its_weights_gradients_and_moments_do() {
        assert!((need_gib(1.0, TRAIN_BYTES) - 19.2e9 / GIB).abs() < 1e-9);
        let small = machine(4).json();
        let fits: Vec<bool> = small["models"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|model| model["train_fits"].as_bool().expect("known"))
            .collect();
        assert_eq!(fits, [true, true, false, false, false, false, false]);
        assert!(machine(16).text().contains("sample"));
    }

    #[test]
    fn every_line_of_sizes_has_a_unit() {
        for line in machine(16).text().lines().filter(|line| line.contains("train ")) {
            assert_eq!(line.matches("GiB").count(), 2, "{line}");
        }
    }
}
