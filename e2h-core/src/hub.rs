//! Files of models and data sets on the Hugging Face Hub, through the cache that all its clients share.
//!
//! The environment is that of the Python client: `HF_HUB_CACHE` or `HF_HOME` for the cache, `HF_ENDPOINT`,
//! `HF_HUB_OFFLINE` to use the cache alone, `HF_TOKEN` for private and gated repositories.
//!
//! # Invariants
//! - All files of one call are of one commit, and a file that is in the cache is not fetched again.
//! - Where the Hub cannot be reached, the cache answers; what it does not hold is an error.

use std::env;
use std::fs;
use std::path::{Component, Path, PathBuf};

use glob::Pattern;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

/// Where the Hub and its cache are.
///
/// ```
/// use e2h_core::{HubFiles, HubKind, HubSettings, hub_files};
/// # let folder = std::env::temp_dir().join(format!("e2h-doc-hub-{}", std::process::id()));
///
/// // Without a network only the cache answers, and this one is empty.
/// let settings = HubSettings { cache: Some(folder), offline: true, ..HubSettings::from_env() };
/// let (files, kind) = (["config.json".to_owned()], HubKind::Model);
/// let spec = HubFiles { kind, id: "own/tiny", revision: "main", files: &files, optional: &[] };
/// let error = hub_files(&spec, &settings).expect_err("nothing is there");
/// assert!(error.problem.starts_with("it is not in the cache"));
/// ```
#[derive(Clone)]
pub struct HubSettings {
    /// The folder of the cache; `None` when there is no home folder to put it in.
    pub cache: Option<PathBuf>,
    /// Another Hub than the public one.
    pub endpoint: Option<String>,
    /// Use the cache alone.
    pub offline: bool,
    /// Who asks.
    pub token: Option<String>,
}

impl HubSettings {
    /// What the environment says.
    pub fn from_env() -> Self {
        let text = |name| env::var(name).ok().filter(|text| !text.is_empty());
        let path = |name| text(name).map(PathBuf::from);
        let home = || env::home_dir().map(|home| home.join(".cache/huggingface"));
        let yes = |text: String| ["1", "on", "yes", "true"].contains(&text.to_lowercase().as_str());
        Self {
            cache: path("HF_HUB_CACHE")
                .or_else(|| Some(path("HF_HOME").or_else(home)?.join("hub"))),
            endpoint: text("HF_ENDPOINT"),
            offline: text("HF_HUB_OFFLINE").is_some_and(yes),
            token: text("HF_TOKEN"),
        }
    }
}

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubKind {
    /// Weights and a tokenizer.
    Model,
    /// Rows.
    Dataset,
}

/// Files of a repository at one revision.
#[derive(Clone, Debug)]
pub struct HubFiles<'a> {
    /// What the repository holds.
    pub kind: HubKind,
    /// `owner/name`.
    pub id: &'a str,
    /// Branch, tag or commit.
    pub revision: &'a str,
    /// Names or patterns that must match at least one file each.
    pub files: &'a [String],
    /// Names or patterns of files that are taken where they are there.
    pub optional: &'a [String],
}

/// Why files of a repository could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{id} at revision {revision}: {problem}")]
pub struct HubError {
    /// The repository.
    pub id: String,
    /// The revision.
    pub revision: String,
    /// What is wrong and what helps.
    pub problem: String,
}

/// Patterns of the files that are wanted.
struct Patterns {
    required: Vec<Pattern>,
    optional: Vec<Pattern>,
}

/// One repository at one revision.
struct Repository<'a> {
    spec: &'a HubFiles<'a>,
    cache: Cache,
}

/// The local paths of the files that `spec` names, fetched where they are not in the cache.
///
/// ```no_run
/// use e2h_core::{HubFiles, HubKind, HubSettings, hub_files};
///
/// let spec = HubFiles {
///     kind: HubKind::Dataset,
///     id: "openai/gsm8k",
///     revision: "main",
///     files: &["main/train-*.parquet".to_owned()],
///     optional: &["README.md".to_owned()],
/// };
/// for path in hub_files(&spec, &HubSettings::from_env())? {
///     println!("{}", path.display());
/// }
/// # Ok::<(), e2h_core::HubError>(())
/// ```
///
/// # Errors
/// [`HubError`] when a file is not there, may not be read, or neither the Hub nor the cache can answer.
pub fn hub_files(spec: &HubFiles<'_>, settings: &HubSettings) -> Result<Vec<PathBuf>, HubError> {
    let wrong = |problem: String| HubError {
        id: spec.id.to_owned(),
        revision: spec.revision.to_owned(),
        problem,
    };
    let cache = settings.cache.clone();
    let cache = cache.ok_or_else(|| wrong("no cache folder: set HF_HOME".to_owned()))?;
    let compiled = |names: &[String]| {
        let patterns: Result<Vec<Pattern>, _> =
            names.iter().map(|file| Pattern::new(file)).collect();
        patterns.map_err(|error| wrong(format!("`hub.files`: {error}")))
    };
    let patterns = Patterns { required: compiled(spec.files)?, optional: compiled(spec.optional)? };
    let repository = Repository { spec, cache: Cache::new(cache) };
    let cached = || repository.cached(&patterns);
    let found = if settings.offline {
        cached().map_err(|problem| format!("{problem}, and HF_HUB_OFFLINE is set"))
    } else {
        repository.fetch(&patterns, settings).or_else(|error| match status(&error) {
            _ if matches!(error, FetchError::Files(_)) => Err(error.to_string()),
            Some(_) => Err(error.to_string()),
            // No answer at all: the cache may do.
            None => cached().map_err(|problem| format!("{error}; {problem}")),
        })
    };
    found.map_err(wrong)
}

/// Why files could not be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{}", explain(.0))]
    Api(#[from] ApiError),
    #[error("{0}")]
    Files(String),
}

/// The HTTP status that the Hub answered with, if it was one of refusal.
fn status(error: &FetchError) -> Option<u16> {
    match error {
        FetchError::Api(ApiError::RequestError(error)) => match error.as_ref() {
            ureq::Error::StatusCode(code) => Some(*code),
            _ => None,
        },
        _ => None,
    }
}

fn explain(error: &ApiError) -> String {
    let refused = match error {
        ApiError::RequestError(error) => match error.as_ref() {
            ureq::Error::StatusCode(code) => Some(*code),
            _ => None,
        },
        _ => None,
    };
    match refused {
        // The Hub does not tell strangers whether a private repository exists.
        Some(401) => "is not there, is private, or is gated: check the id, accept its terms on its page, set HF_TOKEN",
        Some(403) => "is gated: accept its terms on its page, with the account that HF_TOKEN is of",
        Some(404) => "is not on the Hub; check the id and the revision",
        Some(code) => return format!("the Hub answered with status {code}"),
        None => return format!("the Hub cannot be reached ({error})"),
    }
    .to_owned()
}

impl Repository<'_> {
    fn repo(&self, revision: &str) -> Repo {
        let kind = match self.spec.kind {
            HubKind::Model => RepoType::Model,
            HubKind::Dataset => RepoType::Dataset,
        };
        Repo::with_revision(self.spec.id.to_owned(), kind, revision.to_owned())
    }

    /// Asks the Hub for the names and fetches the files that match.
    fn fetch(
        &self,
        patterns: &Patterns,
        settings: &HubSettings,
    ) -> Result<Vec<PathBuf>, FetchError> {
        let mut builder = ApiBuilder::from_cache(self.cache.clone()).with_progress(false);
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
        }
        if let Some(token) = &settings.token {
            builder = builder.with_token(Some(token.clone()));
        }
        let api: Api = builder.build()?;
        let info = api.repo(self.repo(self.spec.revision)).info()?;
        let names = info.siblings.into_iter().map(|file| file.rfilename);
        let names = choose(names.filter(|name| is_plain(name)).collect(), patterns)
            .map_err(FetchError::Files)?;
        let at_commit = api.repo(self.repo(&info.sha));
        let paths = names.iter().map(|name| at_commit.get(name)).collect::<Result<_, _>>()?;
        // So that the cache knows the revision by its name when the Hub is out of reach.
        let named = self.cache.repo(self.repo(self.spec.revision));
        named.create_ref(&info.sha).map_err(ApiError::from)?;
        Ok(paths)
    }

    /// The files in the cache that match.
    fn cached(&self, patterns: &Patterns) -> Result<Vec<PathBuf>, String> {
        let repo = self.repo(self.spec.revision);
        let folder = self.cache.path().join(repo.folder_name());
        let commit = fs::read_to_string(folder.join("refs").join(self.spec.revision));
        let commit = commit.unwrap_or_else(|_| self.spec.revision.to_owned());
        let snapshot = folder.join("snapshots").join(commit.trim());
        let mut names = Vec::new();
        walk(&snapshot, "", &mut names);
        if names.is_empty() {
            return Err(format!("it is not in the cache at {}", self.cache.path().display()));
        }
        let names = choose(names, patterns)?;
        Ok(names.iter().map(|name| snapshot.join(name)).collect())
    }
}

/// The names that match a pattern, in the order of names.
fn choose(mut names: Vec<String>, patterns: &Patterns) -> Result<Vec<String>, String> {
    names.sort();
    let listed = excerpt_list(&names);
    if patterns.required.is_empty() {
        return Err(format!("name the files in `hub.files`; there are {listed}"));
    }
    for pattern in &patterns.required {
        if !names.iter().any(|name| pattern.matches(name)) {
            return Err(format!("no file matches {pattern}; there are {listed}"));
        }
    }
    let wanted = || patterns.required.iter().chain(&patterns.optional);
    names.retain(|name| wanted().any(|pattern| pattern.matches(name)));
    Ok(names)
}

fn excerpt_list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(20).map(|name| excerpt(name)).collect();
    let more = if names.len() > shown.len() { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// The first 60 characters of a name.
fn excerpt(name: &str) -> String {
    match name.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

/// True for a name that stays within its folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Appends the names of the files under a folder, with `/` between their parts.
fn walk(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{name}/"), names);
        } else {
            names.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const ROWS: &str = "{\"question\":\"q\",\"answer\":\"1\",\"level\":0}\n";
    const INFO: &str = r#"{"sha":"c0ffee","siblings":[{"rfilename":"README.md"},{"rfilename":"data/train.jsonl"},
                           {"rfilename":"data/test.jsonl"},{"rfilename":"../evil.jsonl"}]}"#;

    /// A Hub with one data set, on a port of this machine; counts its answers.
    fn serve() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let n_answers = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&n_answers);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let request = lines.next().unwrap_or_default();
                let range = lines.take_while(|line| !line.is_empty()).find_map(|line| {
                    let bytes = line.to_lowercase().strip_prefix("range: bytes=")?.to_owned();
                    let (from, to) = bytes.split_once('-')?;
                    Some((from.parse::<usize>().ok()?, to.parse::<usize>().unwrap_or(usize::MAX)))
                });
                counter.fetch_add(1, Ordering::SeqCst);
                let reply = reply(request.split(' ').nth(1).unwrap_or_default(), range);
                let _ = (&stream).write_all(reply.as_bytes());
            }
        });
        (address, n_answers)
    }

    fn reply(path: &str, range: Option<(usize, usize)>) -> String {
        let (status, body) = match path {
            "/api/datasets/own/rows/revision/main" | "/api/models/own/rows/revision/main" => {
                ("200 OK", INFO)
            }
            "/api/datasets/own/gated/revision/main" => ("403 Forbidden", ""),
            "/api/datasets/own/hidden/revision/main" => ("401 Unauthorized", ""),
            "/datasets/own/rows/resolve/c0ffee/data/train.jsonl"
            | "/own/rows/resolve/c0ffee/data/train.jsonl"
            | "/own/rows/resolve/c0ffee/README.md" => ("206 Partial Content", ROWS),
            _ => ("404 Not Found", ""),
        };
        let (from, to) = range.unwrap_or((0, usize::MAX));
        let end = to.saturating_add(1).min(body.len());
        let part = &body[from.min(end)..end];
        format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\netag: \"e{0}\"\r\nx-repo-commit: c0ffee\r\n\
             content-range: bytes {from}-{to}/{0}\r\ncontent-length: {1}\r\n\r\n{part}",
            body.len(),
            part.len()
        )
    }

    fn get(
        kind: HubKind,
        id: &str,
        names: &[&str],
        optional: &[&str],
        settings: &HubSettings,
    ) -> Result<Vec<PathBuf>, HubError> {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (files, optional) = (own(names), own(optional));
        let spec = HubFiles { kind, id, revision: "main", files: &files, optional: &optional };
        hub_files(&spec, settings)
    }

    fn settings(cache: &Path, endpoint: &str, offline: bool) -> HubSettings {
        HubSettings {
            cache: Some(cache.to_path_buf()),
            endpoint: Some(endpoint.to_owned()),
            offline,
            token: None,
        }
    }

    #[test]
    fn a_file_is_fetched_once_and_then_comes_from_the_cache() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let (endpoint, n_answers) = serve();
        let files = |settings: &HubSettings| {
            get(HubKind::Dataset, "own/rows", &["data/tr*.jsonl"], &[], settings)
        };
        let online = settings(cache.path(), &endpoint, false);
        let first = files(&online).expect("served");
        assert_eq!(fs::read_to_string(&first[0]).expect("readable"), ROWS);
        let before = n_answers.load(Ordering::SeqCst);
        assert_eq!(files(&online).expect("served"), first);
        assert_eq!(n_answers.load(Ordering::SeqCst), before + 1, "only the names are asked for");
        let offline = settings(cache.path(), &endpoint, true);
        assert_eq!(files(&offline).expect("cached"), first);
        assert_eq!(n_answers.load(Ordering::SeqCst), before + 1, "nothing is asked for");
        let unreachable = settings(cache.path(), "http://127.0.0.1:1", false);
        assert_eq!(files(&unreachable).expect("cached"), first);
    }

    #[test]
    fn what_cannot_be_had_is_said_plainly() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let (endpoint, _) = serve();
        let check = |id: &str, names: &[&str], endpoint: &str, offline: bool, expected: &str| {
            let settings = settings(cache.path(), endpoint, offline);
            let error = get(HubKind::Dataset, id, names, &[], &settings).expect_err(id);
            assert!(error.to_string().contains(expected), "{error}");
        };
        check("own/gated", &["*"], &endpoint, false, "is gated: accept its terms");
        check("own/hidden", &["*"], &endpoint, false, "is private, or is gated");
        check("own/none", &["*"], &endpoint, false, "is not on the Hub");
        check(
            "own/rows",
            &["*.parquet"],
            &endpoint,
            false,
            "no file matches *.parquet; there are README.md, data/",
        );
        check("own/rows", &[], &endpoint, false, "name the files in `hub.files`");
        check("own/rows", &["data/test.jsonl"], &endpoint, false, "is not on the Hub");
        check("own/rows", &["*"], &endpoint, true, "it is not in the cache at");
        check("own/rows", &["*"], &endpoint, true, "HF_HUB_OFFLINE is set");
        check("own/rows", &["*"], "http://127.0.0.1:1", false, "cannot be reached");
    }

    #[test]
    fn optional_files_come_where_they_are_there() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let (endpoint, _) = serve();
        let online = settings(cache.path(), &endpoint, false);
        let optional = ["README.md", "no-such.json"];
        let files = get(HubKind::Model, "own/rows", &["data/train.jsonl"], &optional, &online);
        assert_eq!(files.expect("served").len(), 2);
    }

    #[test]
    fn names_that_leave_their_folder_are_not_taken() {
        for name in ["../x", "/x", "a/../../x", ""] {
            assert!(!is_plain(name), "{name}");
        }
        assert!(is_plain("data/train-00000-of-00001.parquet"));
    }
}
