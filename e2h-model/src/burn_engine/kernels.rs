//! Where compiled kernels and the outcomes of autotuning are kept from run to run.
//!
//! The first run on a card compiles its kernels and measures their variants, which takes minutes for a large model; with
//! this folder later runs begin at once. It may be copied to another machine with the same card and the same program.

use std::path::PathBuf;

use burn::cubecl::config::cache::CacheConfig;
use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

/// Names the folder, in place of `e2h/kernels` in the user's cache folder.
const VARIABLE: &str = "E2H_KERNEL_CACHE";

/// Tells burn's CUDA backend to keep kernels, unless a `cubecl.toml` says where already. Only the first call counts, and
/// only before the first tensor.
pub(crate) fn keep() {
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    if matches!(config.environment.path, CacheConfig::Target)
        && let Some(folder) = folder()
    {
        config.environment.path = CacheConfig::Directory(folder);
    }
    config.compilation.cache = true;
    CubeClRuntimeConfig::try_set(config);
}

/// The folder, or `None` where the system names no cache folder.
fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = set(VARIABLE) {
        return Some(folder.into());
    }
    let cache = set("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")));
    cache.map(|cache| cache.join("e2h").join("kernels"))
}
