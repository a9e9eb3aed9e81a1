//! Models by their id on the Hugging Face Hub, through the cache that all its clients share.

use std::path::{Path, PathBuf};

use e2h_core::{HubFiles, HubKind, HubSettings, hub_files};

use crate::{Error, Result};

/// Files that every model has.
const REQUIRED: [&str; 4] =
    ["config.json", "tokenizer.json", "tokenizer_config.json", "model*.safetensors"];

/// Files that some have.
const OPTIONAL: [&str; 3] =
    ["model.safetensors.index.json", "generation_config.json", "chat_template.jinja"];

/// The folder in the cache with the files of model `id`, fetched where they are not there yet.
///
/// `id` is `owner/name`, or `owner/name@revision` with a branch, tag or commit.
///
/// ```no_run
/// use e2h_model::{LanguageModel, hub_folder};
/// let folder = hub_folder("Qwen/Qwen2.5-0.5B-Instruct@main")?;
/// let policy = LanguageModel::load(&folder)?;
/// println!("{} tokens", policy.text().vocab_size());
/// # Ok::<(), e2h_model::Error>(())
/// ```
///
/// # Errors
/// [`Error::Hub`] when the model is not there, is gated, or neither the Hub nor the cache can answer.
pub fn hub_folder(id: &str) -> Result<PathBuf> {
    hub_folder_with(id, &HubSettings::from_env())
}

fn hub_folder_with(id: &str, settings: &HubSettings) -> Result<PathBuf> {
    let (id, revision) = id.split_once('@').unwrap_or((id, "main"));
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (files, optional) = (own(&REQUIRED), own(&OPTIONAL));
    let spec = HubFiles { kind: HubKind::Model, id, revision, files: &files, optional: &optional };
    let paths = hub_files(&spec, settings).map_err(Error::Hub)?;
    let config = paths.iter().find(|path| path.ends_with("config.json"));
    Ok(config.and_then(|path| path.parent()).map(Path::to_path_buf).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_model_in_the_cache_is_found_without_the_hub() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let settings = HubSettings {
            cache: Some(cache.path().to_path_buf()),
            endpoint: None,
            offline: true,
            token: None,
        };
        let error = hub_folder_with("own/tiny", &settings).expect_err("nothing there").to_string();
        assert!(error.contains("own/tiny at revision main: it is not in the cache"), "{error}");
        let repo = cache.path().join("models--own--tiny");
        let snapshot = repo.join("snapshots/c0ffee");
        fs::create_dir_all(&snapshot).expect("made");
        fs::create_dir_all(repo.join("refs")).expect("made");
        fs::write(repo.join("refs/main"), "c0ffee").expect("written");
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
            fs::write(snapshot.join(name), "{}").expect("written");
        }
        let error = hub_folder_with("own/tiny", &settings).expect_err("no weights").to_string();
        assert!(error.contains("no file matches model*.safetensors"), "{error}");
        fs::write(snapshot.join("model-00001-of-00001.safetensors"), "").expect("written");
        assert_eq!(hub_folder_with("own/tiny", &settings).expect("cached"), snapshot);
        assert_eq!(hub_folder_with("own/tiny@c0ffee", &settings).expect("cached"), snapshot);
    }
}
