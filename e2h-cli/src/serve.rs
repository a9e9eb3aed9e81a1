//! A completions server over our own engine, in OpenAI's protocol with vLLM's names for adapters and token ids.
//!
//! `GET /health`, `GET /v1/models`, `POST /v1/completions`, `POST /v1/load_lora_adapter`,
//! `POST /v1/unload_lora_adapter`. One thread a connection reads and writes; the one that has the model computes: see
//! [`worker`].
//!
//! # Invariants
//! - A server that other machines can reach demands a key.
//! - On loopback without a key only requests that name this machine as their host are answered, and a body must be
//!   sent as JSON, so that a page in a browser cannot reach the model.
//! - Requests at work, connections and the size of a body are bounded.

pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod http;
pub(crate) mod stream;
pub(crate) mod worker;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2h_core::stable_hash;
use e2h_model::{Adapter, ModelConfig};
use serde::Deserialize;
use serde_json::{Value, json};

use answer::Answer;
use ask::Body;
use http::{Limits, Refusal, Request};
use worker::{Job, Reply};

/// Adapters held at most.
const MAX_ADAPTERS: usize = 64;
/// Connections beyond the requests at work: clients that ask for health or models, or send slowly.
const SPARE_CONNECTIONS: usize = 64;
/// Longest wait for a client that does not take its answer.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// From where adapters are loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AdapterRoot {
    /// From anywhere.
    Any,
    /// From below this folder.
    Below(PathBuf),
    /// From nowhere.
    Nowhere,
}

/// What the threads of a server share.
pub(crate) struct Shared {
    /// What the base model is called.
    pub name: String,
    /// Its shape.
    pub config: ModelConfig,
    /// Adapters by name.
    pub adapters: Mutex<BTreeMap<String, Arc<Adapter>>>,
    /// From where more can be loaded.
    pub root: AdapterRoot,
    /// What a client must know.
    pub key: Option<String>,
    /// What a request may take.
    pub limits: Limits,
    /// Requests at work or waiting at most.
    pub most: usize,
    /// Set when the server is to end.
    pub stop: Arc<AtomicBool>,
    /// To the worker.
    pub jobs: Sender<Job>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    connections: AtomicUsize,
    at_work: AtomicUsize,
    requests: AtomicU64,
}

/// Counts something that is going on, until it is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    /// `None` when there are `most` already.
    fn new(counter: &'a AtomicUsize, most: usize) -> Option<Self> {
        let counted = Self(counter);
        (counter.fetch_add(1, Ordering::Relaxed) < most).then_some(counted)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request of vLLM's adapter endpoints.
#[derive(Debug, Deserialize)]
struct LoraBody {
    lora_name: Option<String>,
    lora_path: Option<PathBuf>,
    #[serde(default)]
    load_inplace: bool,
}

/// A body that has been made.
type Made = Result<(&'static str, Vec<u8>), Refusal>;

impl Shared {
    /// What a server of the model `name` shares, before anything is known of its surroundings.
    pub(crate) fn new(
        name: String,
        config: ModelConfig,
        jobs: Sender<Job>,
        limits: Limits,
    ) -> Self {
        Self {
            name,
            config,
            adapters: Mutex::default(),
            root: AdapterRoot::Any,
            key: None,
            limits,
            most: 256,
            stop: Arc::default(),
            jobs,
            counters: Counters::default(),
        }
    }

    /// Takes connections until the server is to end; each has a thread.
    pub(crate) fn listen(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let Ok(mut stream) = stream else { continue };
            // No delay is a matter of speed only.
            let _ = stream.set_nodelay(true);
            let _ = stream.set_write_timeout(Some(WRITE_PATIENCE));
            let shared = Arc::clone(self);
            let spawned = std::thread::Builder::new().spawn(move || {
                let most = shared.most + SPARE_CONNECTIONS;
                match Counted::new(&shared.counters.connections, most) {
                    Some(_counted) => shared.connection(&mut stream),
                    None => refuse(&mut stream, &Refusal::new(503, "too many connections")),
                }
                http::end(&mut stream);
            });
            // Without a thread the connection is dropped, which the client sees.
            drop(spawned);
        }
    }

    /// Waits until all connections have ended, or the time is over.
    pub(crate) fn wait_for_connections(&self, longest: Duration) {
        let start = std::time::Instant::now();
        while self.counters.connections.load(Ordering::Relaxed) > 0 && start.elapsed() < longest {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn connection(&self, stream: &mut TcpStream) {
        let request = match http::read(stream, self.limits) {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(refusal) => return refuse(stream, &refusal),
        };
        let admitted = self.admit(&request);
        if let Err(refusal) = admitted {
            return refuse(stream, &refusal);
        }
        let route = (request.method.as_str(), request.path.as_str());
        let made = match route {
            ("GET", "/health") => self.health(),
            ("GET", "/v1/models") => Ok(json_body(&self.models())),
            ("POST", "/v1/load_lora_adapter") => self.load(&request.body),
            ("POST", "/v1/unload_lora_adapter") => self.unload(&request.body),
            ("POST", "/v1/completions") => return self.complete(&request.body, stream),
            (_, path) => Err(match KNOWN.iter().find(|(_, known)| *known == path) {
                Some((method, _)) => Refusal::new(405, format!("{path} takes {method}")),
                None => Refusal::new(404, format!("there is no {path}")),
            }),
        };
        match made {
            // A client that went away is no failure.
            Ok((kind, body)) => drop(http::answer(stream, 200, kind, &body)),
            Err(refusal) => refuse(stream, &refusal),
        }
    }

    /// Whether the client may ask at all.
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        match &self.key {
            Some(_) if request.path == "/health" => {}
            Some(key) => {
                let given = request.header("authorization").unwrap_or_default();
                let given = given.strip_prefix("Bearer ").unwrap_or_default();
                if !same_secret(given, key) {
                    return Err(Refusal::new(401, "the key is missing or wrong"));
                }
            }
            None if !is_loopback_name(request.header("host").unwrap_or_default()) => {
                return Err(Refusal::new(403, "this server is for this machine only"));
            }
            None => {}
        }
        let kind = request.header("content-type").unwrap_or_default();
        let is_json = kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
        if request.method == "POST" && !is_json {
            return Err(Refusal::new(415, "the Content-Type must be application/json"));
        }
        Ok(())
    }

    fn health(&self) -> Made {
        match self.stop.load(Ordering::Relaxed) {
            false => Ok(("text/plain", Vec::new())),
            true => Err(stopping()),
        }
    }

    fn models(&self) -> Value {
        let model = |id: &str, parent: Option<&str>| {
            json!({
                "id": id, "object": "model", "created": 0, "owned_by": "e2h", "root": id,
                "parent": parent, "max_model_len": self.config.max_positions,
            })
        };
        let adapters = self.adapters();
        let of_adapters = adapters.keys().map(|name| model(name, Some(&self.name)));
        let data: Vec<Value> =
            std::iter::once(model(&self.name, None)).chain(of_adapters).collect();
        json!({"object": "list", "data": data})
    }

    fn load(&self, body: &[u8]) -> Made {
        let LoraBody { lora_name, lora_path, load_inplace } = parse_lora(body)?;
        let (Some(name), Some(path)) = (lora_name.filter(|name| !name.is_empty()), lora_path)
        else {
            return Err(Refusal::new(400, "`lora_name` and `lora_path` must be given"));
        };
        let path = self.allowed(&path)?;
        if name == self.name || (self.adapters().contains_key(&name) && !load_inplace) {
            let message = format!("the adapter `{name}` has already been loaded");
            return Err(Refusal::new(400, message));
        }
        let adapter = Adapter::load(&path, &self.config).map_err(|error| {
            let message = crate::policy::chain(&error);
            Refusal::new(if path.is_dir() { 400 } else { 404 }, message)
        })?;
        let mut adapters = self.adapters();
        if adapters.len() >= MAX_ADAPTERS && !adapters.contains_key(&name) {
            let message = format!("{MAX_ADAPTERS} adapters are loaded; unload one first");
            return Err(Refusal::new(400, message));
        }
        adapters.insert(name.clone(), Arc::new(adapter));
        Ok(text_body(format!("Success: LoRA adapter '{name}' added successfully.")))
    }

    fn unload(&self, body: &[u8]) -> Made {
        let name = parse_lora(body)?.lora_name.unwrap_or_default();
        match self.adapters().remove(&name) {
            Some(_) => {
                Ok(text_body(format!("Success: LoRA adapter '{name}' removed successfully.")))
            }
            None => Err(Refusal::new(404, format!("there is no adapter `{name}`"))),
        }
    }

    /// The folder of an adapter, where it may be loaded from there.
    fn allowed(&self, path: &Path) -> Result<PathBuf, Refusal> {
        let below = match &self.root {
            AdapterRoot::Any => return Ok(path.to_path_buf()),
            AdapterRoot::Nowhere => {
                let message = "adapters are not loaded here: start the server with --adapter-root";
                return Err(Refusal::new(403, message));
            }
            AdapterRoot::Below(root) => root,
        };
        // Links are followed before the comparison.
        let real = path.canonicalize().map_err(|error| {
            Refusal::new(404, format!("there is no adapter {}: {error}", path.display()))
        })?;
        match real.starts_with(below) {
            true => Ok(real),
            false => Err(Refusal::new(403, format!("{} is not allowed", path.display()))),
        }
    }

    fn adapters(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Adapter>>> {
        self.adapters.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The adapter that a request's model means; `None` for the base.
    fn adapter(&self, model: Option<&str>) -> Result<Option<Arc<Adapter>>, Refusal> {
        let Some(model) = model.filter(|model| *model != self.name) else { return Ok(None) };
        let adapters = self.adapters();
        adapters.get(model).cloned().map(Some).ok_or_else(|| {
            let names: Vec<&str> = adapters.keys().map(String::as_str).collect();
            let known = [&[self.name.as_str()], &names[..]].concat().join(", ");
            Refusal::new(404, format!("the model `{model}` does not exist (there are: {known})"))
        })
    }

    fn complete(&self, body: &[u8], stream: &mut TcpStream) {
        let serial = self.counters.requests.fetch_add(1, Ordering::Relaxed);
        if let Err(refusal) = self.try_complete(body, serial, stream) {
            refuse(stream, &refusal);
        }
    }

    /// Answers a completion request; a refusal is to be sent, unless an answer has begun.
    fn try_complete(&self, body: &[u8], serial: u64, out: &mut TcpStream) -> Result<(), Refusal> {
        let body = Body::parse(body)?;
        let model = body.model.clone().unwrap_or_else(|| self.name.clone());
        let adapter = self.adapter(Some(&model))?;
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = stable_hash("serve", format!("{} {serial}", created.as_nanos()).as_bytes());
        let ask = body.ask(id)?;
        if self.stop.load(Ordering::Relaxed) {
            return Err(stopping());
        }
        let Some(_at_work) = Counted::new(&self.counters.at_work, self.most) else {
            let message = format!("{} requests are at work or waiting already", self.most);
            return Err(Refusal::new(503, message));
        };
        let mut answer = Answer::new(format!("cmpl-{id:016x}"), created.as_secs(), model, &ask);
        let (reply, replies) = channel();
        let streamed = ask.shape.stream;
        self.jobs.send(Job { ask, adapter, reply }).map_err(|_| stopping())?;
        let mut begun = false;
        // The channel ends without a word when the worker has ended.
        let mut write = |out: &mut TcpStream, text: String| {
            let head = http::head(200, "text/event-stream", None);
            let head = if std::mem::replace(&mut begun, true) { String::new() } else { head };
            out.write_all((head + &text).as_bytes()).is_ok()
        };
        loop {
            match replies.recv().unwrap_or_else(|_| Reply::Refused(stopping())) {
                Reply::Piece(piece) if streamed => {
                    let event = format!("data: {}\n\n", answer.chunk(piece));
                    if !write(out, event) {
                        return Ok(());
                    }
                }
                Reply::Piece(piece) => answer.take(piece),
                Reply::Done if streamed => {
                    let usage = answer.usage_chunk().map(|usage| format!("data: {usage}\n\n"));
                    write(out, usage.unwrap_or_default() + "data: [DONE]\n\n");
                    return Ok(());
                }
                Reply::Done => {
                    let (kind, body) = json_body(&answer.whole());
                    // A client that went away is no failure.
                    drop(http::answer(out, 200, kind, &body));
                    return Ok(());
                }
                Reply::Refused(refusal) if answer.has_begun() && streamed => {
                    write(out, format!("data: {}\n\n", error_json(&refusal)));
                    return Ok(());
                }
                Reply::Refused(refusal) => return Err(refusal),
            }
        }
    }
}

/// The paths and their methods.
const KNOWN: [(&str, &str); 5] = [
    ("GET", "/health"),
    ("GET", "/v1/models"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/load_lora_adapter"),
    ("POST", "/v1/unload_lora_adapter"),
];

fn parse_lora(body: &[u8]) -> Result<LoraBody, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::new(400, error.to_string()))
}

fn stopping() -> Refusal {
    Refusal::new(503, "the server is stopping")
}

fn json_body(value: &Value) -> (&'static str, Vec<u8>) {
    ("application/json", value.to_string().into_bytes())
}

fn text_body(text: String) -> (&'static str, Vec<u8>) {
    ("text/plain; charset=utf-8", text.into_bytes())
}

fn error_json(refusal: &Refusal) -> Value {
    let kind = match refusal.status {
        401 | 403 => "authentication_error",
        404 => "not_found_error",
        400..500 => "invalid_request_error",
        _ => "server_error",
    };
    json!({"error": {
        "message": refusal.message, "type": kind, "param": null, "code": refusal.status,
    }})
}

fn refuse(stream: &mut TcpStream, refusal: &Refusal) {
    let (kind, body) = json_body(&error_json(refusal));
    // A client that went away is no failure.
    drop(http::answer(stream, refusal.status, kind, &body));
}

/// Compares in a time that does not tell how much of a guess is right.
fn same_secret(given: &str, key: &str) -> bool {
    let (given, key) = (given.as_bytes(), key.as_bytes());
    let differ = given.iter().zip(key).fold(0, |differ, (a, b)| differ | (a ^ b));
    given.len() == key.len() && differ == 0
}

/// True for the names by which a machine calls itself.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    matches!(name, "127.0.0.1" | "localhost" | "::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_this_machine_are_loopback() {
        for host in ["127.0.0.1:8000", "localhost", "localhost:1", "[::1]:8000", "127.0.0.1"] {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in ["", "evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::2]:1"] {
            assert!(!is_loopback_name(host), "{host}");
        }
    }

    #[test]
    fn a_secret_is_right_only_as_a_whole() {
        assert!(same_secret("abc", "abc"));
        for guess in ["", "ab", "abcd", "abd", "ABC"] {
            assert!(!same_secret(guess, "abc"), "{guess}");
        }
    }

    #[test]
    fn adapters_outside_the_root_are_not_opened() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let real = folder.path().canonicalize().expect("a path");
        std::fs::create_dir(real.join("in")).expect("a folder");
        let limits = Limits { body: 1, patience: Duration::ZERO };
        let config = ModelConfig::nano(8);
        let mut shared = Shared::new("m".to_owned(), config, channel().0, limits);
        shared.root = AdapterRoot::Below(real.join("in"));
        assert!(shared.allowed(&real.join("in")).is_ok());
        let status = |path: &Path| shared.allowed(path).expect_err("refused").status;
        assert_eq!(status(&real.join("in/..")), 403);
        assert_eq!(status(Path::new("/")), 403);
        assert_eq!(status(&real.join("in/none")), 404);
        shared.root = AdapterRoot::Nowhere;
        assert_eq!(shared.allowed(&real.join("in")).expect_err("refused").status, 403);
    }

    #[test]
    fn what_is_counted_is_bounded_and_given_back() {
        let counter = AtomicUsize::new(0);
        let first = Counted::new(&counter, 1);
        assert!(first.is_some() && Counted::new(&counter, 1).is_none());
        drop(first);
        assert!(Counted::new(&counter, 1).is_some());
    }
}
