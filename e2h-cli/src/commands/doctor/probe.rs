//! Asking the machine what it has. What cannot be asked is `None` or says why.

use std::fs;
use std::process::Command;

/// The processor.
pub(super) struct Cpu {
    pub(super) name: String,
    /// Cores that this process may use.
    pub(super) cores: usize,
    /// Instruction sets that matter for dense arithmetic.
    pub(super) features: Vec<&'static str>,
    /// The set that the fused kernels choose.
    pub(super) kernels: &'static str,
}

/// A graphics card.
pub(super) struct Gpu {
    pub(super) name: String,
    pub(super) memory_gib: f64,
    pub(super) driver: String,
}

/// The processor.
pub(super) fn cpu() -> Cpu {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let features = features();
    let kernels = match &features {
        found if found.contains(&"avx512f") => "avx512f",
        found if found.contains(&"avx2") && found.contains(&"fma") => "avx2 and fma",
        _ => "the compiler's baseline",
    };
    Cpu {
        name: name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        features,
        kernels,
    }
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let found = [
        ("avx", std::arch::is_x86_feature_detected!("avx")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("f16c", std::arch::is_x86_feature_detected!("f16c")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    found.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

/// Total and available memory in bytes; a container's limit counts where there is one.
pub(super) fn memory() -> Option<(u64, u64)> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let (total, available) = (field(&info, "MemTotal:")?, field(&info, "MemAvailable:")?);
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    match (number("/sys/fs/cgroup/memory.max"), number("/sys/fs/cgroup/memory.current")) {
        (Some(limit), Some(used)) if limit < total => {
            Some((limit, limit.saturating_sub(used).min(available)))
        }
        _ => Some((total, available)),
    }
}

/// A field of `/proc/meminfo` in bytes.
fn field(info: &str, name: &str) -> Option<u64> {
    let line = info.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// The NVIDIA cards, as the driver's own tool lists them, or why there is none.
pub(super) fn gpus() -> Result<Vec<Gpu>, String> {
    let query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"];
    let listed = Command::new("nvidia-smi").args(query).output();
    let listed = listed.map_err(|_| "no NVIDIA driver (nvidia-smi is not there)".to_owned())?;
    if !listed.status.success() {
        return Err("the NVIDIA driver does not answer (nvidia-smi failed)".to_owned());
    }
    let gpus: Vec<Gpu> = String::from_utf8_lossy(&listed.stdout).lines().filter_map(gpu).collect();
    if gpus.is_empty() { Err("the NVIDIA driver lists no card".to_owned()) } else { Ok(gpus) }
}

/// A line of nvidia-smi: name, MiB, driver.
fn gpu(line: &str) -> Option<Gpu> {
    let mut fields = line.split(',').map(str::trim);
    let (name, mib, driver) = (fields.next()?, fields.next()?, fields.next()?);
    let memory_gib = mib.parse::<f64>().ok()? / 1024.0;
    Some(Gpu { name: name.to_owned(), memory_gib, driver: driver.to_owned() })
}

/// Bytes that may still be written in the working folder.
#[cfg(unix)]
pub(super) fn free_disk() -> Option<u64> {
    let stat = rustix::fs::statvfs(".").ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

#[cfg(not(unix))]
pub(super) fn free_disk() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_nvidia_smi_is_read_and_a_broken_one_passed_over() {
        let card = gpu("NVIDIA H100 80GB HBM3, 81559, 570.124.06").expect("a card");
        assert_eq!(
            (card.name.as_str(), card.driver.as_str()),
            ("NVIDIA H100 80GB HBM3", "570.124.06")
        );
        assert!((card.memory_gib - 79.647).abs() < 1e-2);
        assert!(gpu("No devices were found").is_none());
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(
            field("MemTotal:       16 kB\nMemAvailable: 4 kB\n", "MemAvailable:"),
            Some(4096)
        );
        assert_eq!(field("", "MemTotal:"), None);
    }
}
