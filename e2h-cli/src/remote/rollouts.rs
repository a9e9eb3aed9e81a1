//! The source of rollouts: adapters handed over, prompts sent side by side.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use e2h_core::{GenerateRequest, Generation, RootSeed, Sampling, TokenId, stable_hash};
use e2h_model::{Group, LanguageModel, WeightFormat};
use e2h_rl::RolloutSource;
use serde_json::{Value, json};

use super::client::{Client, Trouble};
use super::wire::{self, Ends};
use crate::config::RolloutsSection;

/// Tokens of the completion by which another model is noticed.
const PROBE_TOKENS: usize = 16;
/// Mean difference of log-probs from which on a model is another one, in nats. bf16 kernels differ by some 0.01.
const ANOTHER_MODEL: f64 = 0.3;

/// How a server names its paths and adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Vllm,
    Sglang,
}

impl Dialect {
    fn path(self, verb: &str) -> String {
        match self {
            Self::Vllm => format!("/v1/{verb}_lora_adapter"),
            Self::Sglang => format!("/{verb}_lora_adapter"),
        }
    }

    /// What a request calls the adapter.
    fn model(self, base: &str, adapter: &str) -> String {
        match self {
            Self::Vllm => adapter.to_owned(),
            Self::Sglang => format!("{base}:{adapter}"),
        }
    }
}

/// A server that draws rollouts.
#[derive(Debug)]
pub(crate) struct Rollouts {
    client: Client,
    dialect: Dialect,
    /// What the server calls the base model.
    base: String,
    /// It takes random streams.
    exact: bool,
    ends: Ends,
    concurrency: usize,
    /// Where adapters are written.
    folder: PathBuf,
    /// The names of this run's adapters begin with it.
    prefix: String,
    /// The adapter that the server has: its name and folder.
    current: Option<(String, PathBuf)>,
}

impl Rollouts {
    /// Looks at the server, and lets its base model continue `probe`.
    ///
    /// # Errors
    /// [`Trouble`] that says what the server lacks.
    pub(crate) fn connect(
        client: Client,
        section: &RolloutsSection,
        policy: &LanguageModel,
        probe: &[TokenId],
        run: &Path,
    ) -> Result<Self, Trouble> {
        let listed = client.get("/v1/models")?;
        let models = listed["data"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = models.iter().filter_map(|model| model["id"].as_str()).collect();
        let first = models.iter().find(|model| model["parent"].is_null());
        let wanted = match section.model.as_str() {
            "" => first.and_then(|model| model["id"].as_str()).unwrap_or_default(),
            name => name,
        };
        let Some(model) = models.iter().find(|model| model["id"] == *wanted) else {
            let (server, model) = (client.server.clone(), wanted.to_owned());
            return Err(Trouble::NoModel { server, model, known: names.join(", ") });
        };
        let run = std::path::absolute(run).unwrap_or_else(|_| run.to_path_buf());
        let tag = stable_hash("run", run.to_string_lossy().as_bytes()) >> 32;
        let prefix = format!("e2h-{tag:08x}-");
        let folder = match section.adapter_dir.as_str() {
            "" => run.join("rollouts"),
            folder => Path::new(folder).join(&prefix),
        };
        let rollouts = Self {
            dialect: Dialect::Vllm,
            base: wanted.to_owned(),
            exact: model["owned_by"] == "e2h",
            ends: ends(policy),
            concurrency: section.concurrency,
            folder,
            current: None,
            client,
            prefix,
        };
        // What an earlier process of this run has left there.
        for left in names.iter().filter(|name| name.starts_with(&rollouts.prefix)) {
            rollouts.unload(left);
        }
        rollouts.compare(policy, probe)?;
        Ok(rollouts)
    }

    /// Compares the log-probs of the server's base model with the run's.
    fn compare(&self, policy: &LanguageModel, probe: &[TokenId]) -> Result<(), Trouble> {
        let engine = policy.engine();
        let room = engine.config().max_positions.saturating_sub(probe.len()).max(1);
        let sampling =
            Sampling { max_tokens: PROBE_TOKENS.min(room), ..Sampling::default().greedy() };
        let streams = vec![RootSeed(0).stream("probe", &[])];
        let request = GenerateRequest { prompt: probe.to_vec(), streams };
        let samples = self.ask(&self.base, &request, &sampling)?;
        let sample = &samples[0];
        let group = Group { prompt: probe, completions: vec![&sample.tokens] };
        let stats =
            engine.base_token_stats(&[group], 1024).map_err(|error| self.client.odd(error))?;
        let own = stats.first().map(|(logprobs, _)| logprobs.as_slice()).unwrap_or_default();
        let apart = own.iter().zip(&sample.logprobs).map(|(a, b)| f64::from((a - b).abs()));
        let apart = apart.sum::<f64>() / sample.tokens.len() as f64;
        if apart.is_nan() || apart > ANOTHER_MODEL {
            return Err(Trouble::OtherModel {
                server: self.client.server.clone(),
                model: self.base.clone(),
                apart: format!("{apart:.2}"),
            });
        }
        Ok(())
    }

    fn ask(
        &self,
        model: &str,
        request: &GenerateRequest,
        sampling: &Sampling,
    ) -> Result<Vec<Generation>, Trouble> {
        let body = wire::body(model, request, sampling, &self.ends, self.exact);
        let (_, answer) = self.client.post("/v1/completions", &body)?;
        let answer: Value = self.client.json(&answer)?;
        wire::samples(&self.client, &answer, request.streams.len(), &self.ends)
    }

    /// Writes the adapter and hands it over in place of the one before.
    fn hand_over(&mut self, policy: &LanguageModel, step: u64) -> Result<(), Trouble> {
        let adapter = policy.engine().adapter();
        let adapter =
            adapter.ok_or_else(|| Trouble::Adapter("the policy has no adapter".to_owned()))?;
        let name = format!("{}{step}", self.prefix);
        let folder = self.folder.join(format!("step-{step}"));
        adapter
            .save(&folder, Some(&self.base), WeightFormat::F32)
            .map_err(|error| Trouble::Adapter(crate::policy::chain(&error)))?;
        if self.current.as_ref().is_some_and(|(current, _)| *current == name) {
            // The step is made again: the server must not keep what the name meant before.
            self.unload(&name);
        }
        self.load(&name, &folder)?;
        if let Some((old, path)) = self.current.replace((name.clone(), folder))
            && old != name
        {
            self.unload(&old);
            // A folder that stays costs room, nothing else.
            let _ = fs::remove_dir_all(path);
        }
        Ok(())
    }

    fn load(&mut self, name: &str, folder: &Path) -> Result<(), Trouble> {
        let body = json!({"lora_name": name, "lora_path": folder});
        match self.client.post(&self.dialect.path("load"), &body) {
            Ok(_) => Ok(()),
            // No such path, or no such folder: the other dialect tells which.
            Err(unknown @ Trouble::Refused { status: 404, .. })
                if self.dialect == Dialect::Vllm && self.current.is_none() =>
            {
                match self.client.post(&Dialect::Sglang.path("load"), &body) {
                    Ok(_) => {
                        self.dialect = Dialect::Sglang;
                        Ok(())
                    }
                    Err(Trouble::Refused { status: 404, .. }) => Err(unknown),
                    Err(trouble) => Err(trouble),
                }
            }
            // It has been loaded by a request whose answer was lost.
            Err(Trouble::Refused { message, .. }) if message.contains("already been loaded") => {
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Takes an adapter away. One that stays costs the server room, nothing else.
    fn unload(&self, name: &str) {
        let client = self.client.clone().without_retries();
        let _ = client.post(&self.dialect.path("unload"), &json!({"lora_name": name}));
    }

    /// Asks for all requests, several at a time.
    fn all(
        &self,
        requests: &[GenerateRequest],
        sampling: &Sampling,
    ) -> Result<Vec<Vec<Generation>>, Trouble> {
        let base = &self.base;
        let model = self
            .current
            .as_ref()
            .map_or_else(|| base.clone(), |(name, _)| self.dialect.model(base, name));
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<Answer>> = Mutex::default();
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(index) else { return };
                let answer = match request.streams.is_empty() {
                    true => Ok(Vec::new()),
                    false => self.ask(&model, request, sampling),
                };
                if answer.is_err() {
                    // Nobody begins another one.
                    next.store(requests.len(), Ordering::Relaxed);
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).push((index, answer));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.concurrency.min(requests.len()) {
                scope.spawn(work);
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, answer)| answer).collect()
    }
}

/// The answer to the request at an index.
type Answer = (usize, Result<Vec<Generation>, Trouble>);

/// How the policy's completions end.
fn ends(policy: &LanguageModel) -> Ends {
    let text = policy.text();
    Ends { eos: text.all_eos().to_vec(), stops: text.stops().to_vec() }
}

fn core(trouble: Trouble) -> e2h_core::Error {
    e2h_core::Error::Policy(format!("rollouts from a server: {trouble}"))
}

impl RolloutSource for Rollouts {
    fn take_up(&mut self, policy: &LanguageModel, step: u64) -> e2h_core::Result<()> {
        self.ends = ends(policy);
        self.hand_over(policy, step).map_err(core)
    }

    fn generate(
        &mut self,
        requests: Vec<GenerateRequest>,
        sampling: &Sampling,
    ) -> e2h_core::Result<Vec<Vec<Generation>>> {
        self.all(&requests, sampling).map_err(core)
    }
}

impl Drop for Rollouts {
    fn drop(&mut self) {
        if let Some((name, path)) = self.current.take() {
            self.unload(&name);
            let _ = fs::remove_dir_all(path);
            // Only an empty folder goes.
            let _ = fs::remove_dir(&self.folder);
        }
    }
}
