//! Where the shared oracle rows and data sets are.

use std::path::PathBuf;

/// The shared folder, or `None` after saying that it is not here.
#[expect(clippy::print_stderr, reason = "a test that does nothing must say so")]
pub(crate) fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let shared = std::env::var_os("E2H_SHARED").map_or(beside, PathBuf::from);
    if !shared.is_dir() {
        eprintln!("skipped: ../shared is not here");
        return None;
    }
    Some(shared)
}
