//! Requests to a completions server, sent again a bounded number of times when that can help.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::config::RolloutsSection;

/// The first wait before a request is sent again; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(16);
/// Bytes of an answer at most.
const MAX_ANSWER: u64 = 256 << 20;
/// Characters of a server's message that are shown.
const MAX_MESSAGE: usize = 300;

/// What can go wrong with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It does not answer.
    Unreachable { server: String, tries: u32, problem: String },
    /// It wants another key.
    Key { server: String },
    /// It answers that it will not or cannot.
    Refused { server: String, path: String, status: u16, message: String },
    /// It does not have the model.
    NoModel { server: String, model: String, known: String },
    /// Its model gives other log-probs than the run's.
    OtherModel { server: String, model: String, apart: String },
    /// Its answer lacks what a run needs.
    Lacks { server: String, what: &'static str },
    /// Its answer is not of the protocol.
    Answer { server: String, problem: String },
    /// An adapter could not be written for it.
    Adapter(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { server, tries, problem } => {
                write!(f, "{server} cannot be reached (tried {tries} times): {problem}")
            }
            Self::Key { server } => write!(f, "{server} does not accept the key"),
            Self::Refused { server, path, status, message } => {
                write!(f, "{server}{path} answers {status}: {message}")
            }
            Self::NoModel { server, model, known } => {
                write!(f, "{server} does not serve `{model}` (it serves: {known})")
            }
            Self::OtherModel { server, model, apart } => write!(
                f,
                "`{model}` on {server} is another model than the run's: its log-probs are {apart} nats apart"
            ),
            Self::Lacks { server, what } => write!(f, "the answers of {server} have no {what}"),
            Self::Answer { server, problem } => write!(f, "{server} answers oddly: {problem}"),
            Self::Adapter(problem) => f.write_str(problem),
        }
    }
}

impl Trouble {
    /// The way out.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unreachable { .. } => {
                "is it up? `curl URL/health` asks it; `e2h serve` or `vllm serve` starts one"
            }
            Self::Key { .. } => "set E2H_API_KEY to the server's key",
            Self::Refused { path, .. } if path.contains("lora") => {
                "vLLM needs --enable-lora, --max-lora-rank of at least model.lora.rank and \
                 VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, and must see the run's folder; see docs/scale.md"
            }
            Self::NoModel { .. } => "set rollouts.model to one of its names",
            Self::OtherModel { .. } => {
                "serve the same weights as model.base, and set rollouts.model to their name"
            }
            Self::Lacks { .. } => {
                "a recent vLLM or SGLang gives token ids (`return_token_ids`) and log-probs; see docs/scale.md"
            }
            _ => return None,
        })
    }
}

/// A server and how to speak to it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    agent: ureq::Agent,
    /// The address without a path.
    pub server: String,
    key: Option<String>,
    retries: u32,
    first_wait: Duration,
}

impl Client {
    /// A client of the server at `url`, which may end in `/v1`.
    pub(crate) fn new(url: &str, section: &RolloutsSection, key: Option<String>) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(section.timeout_s)))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections_per_host(0)
            .build()
            .into();
        let server = url.trim_end_matches('/');
        let server = server.strip_suffix("/v1").unwrap_or(server).to_owned();
        Self { agent, server, key, retries: section.retries, first_wait: FIRST_WAIT }
    }

    /// The same, for requests that may fail.
    pub(crate) fn without_retries(self) -> Self {
        Self { retries: 0, ..self }
    }

    /// The same with another first wait, for tests.
    #[cfg(test)]
    pub(crate) fn with_first_wait(self, first_wait: Duration) -> Self {
        Self { first_wait, ..self }
    }

    /// A GET whose answer is JSON.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) fn get(&self, path: &str) -> Result<Value, Trouble> {
        let (_, body) = self.send(path, None)?;
        self.json(&body)
    }

    /// A POST; the answer's bytes, and how often it was sent.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<(u32, Vec<u8>), Trouble> {
        self.send(path, Some(body.to_string().as_bytes()))
    }

    /// Reads an answer as JSON.
    ///
    /// # Errors
    /// [`Trouble::Answer`].
    pub(crate) fn json(&self, body: &[u8]) -> Result<Value, Trouble> {
        serde_json::from_slice(body).map_err(|error| self.odd(error))
    }

    /// An answer that is not of the protocol.
    pub(crate) fn odd(&self, problem: impl fmt::Display) -> Trouble {
        Trouble::Answer { server: self.server.clone(), problem: problem.to_string() }
    }

    /// Sends a request until it is answered, and not again when that cannot help.
    fn send(&self, path: &str, body: Option<&[u8]>) -> Result<(u32, Vec<u8>), Trouble> {
        let mut wait = self.first_wait;
        for tries in 1.. {
            let trouble = match self.once(path, body) {
                Ok((status, answer)) if (200..300).contains(&status) => return Ok((tries, answer)),
                Ok((401, _)) => return Err(Trouble::Key { server: self.server.clone() }),
                Ok((status, answer)) => {
                    let (server, path) = (self.server.clone(), path.to_owned());
                    let message = message(&answer);
                    let trouble = Trouble::Refused { server, path, status, message };
                    // What the server says of the request itself it will say again.
                    if status != 408 && status != 429 && status < 500 {
                        return Err(trouble);
                    }
                    trouble
                }
                Err(problem) => {
                    Trouble::Unreachable { server: self.server.clone(), tries, problem }
                }
            };
            if tries > self.retries {
                return Err(trouble);
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Err(self.odd("no answer"))
    }

    fn once(&self, path: &str, body: Option<&[u8]>) -> Result<(u16, Vec<u8>), String> {
        let url = format!("{}{path}", self.server);
        let key = self.key.as_ref().map(|key| format!("Bearer {key}")).unwrap_or_default();
        let response = match body {
            None if key.is_empty() => self.agent.get(&url).call(),
            None => self.agent.get(&url).header("Authorization", &key).call(),
            Some(body) => {
                let post = self.agent.post(&url).header("Content-Type", "application/json");
                match key.is_empty() {
                    true => post.send(body),
                    false => post.header("Authorization", &key).send(body),
                }
            }
        };
        let mut response = response.map_err(|error| error.to_string())?;
        let bytes = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        Ok((response.status().as_u16(), bytes.map_err(|error| error.to_string())?))
    }
}

/// What a server says of a failure, on one line.
fn message(answer: &[u8]) -> String {
    let json: Value = serde_json::from_slice(answer).unwrap_or_default();
    let told = [&json["error"]["message"], &json["message"], &json["detail"], &json["error"]];
    let told = told.iter().find_map(|value| value.as_str()).map(str::to_owned);
    let text = told.unwrap_or_else(|| String::from_utf8_lossy(answer).into_owned());
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None if line.is_empty() => "no reason given".to_owned(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// A server that gives these answers, one a connection, and then is gone.
    fn server(answers: &'static [(u16, &'static str)]) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for (status, body) in answers {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let _ = stream.read(&mut [0; 4096]);
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
                let _ = write!(stream, "{head}Connection: close\r\n\r\n{body}");
            }
        });
        url
    }

    fn client(url: &str, retries: u32) -> Client {
        let section = RolloutsSection { retries, timeout_s: 5, ..RolloutsSection::default() };
        Client::new(url, &section, None).with_first_wait(Duration::from_millis(1))
    }

    #[test]
    fn a_busy_server_is_asked_again_and_a_clear_refusal_is_not() {
        let url = server(&[(503, ""), (500, "x"), (200, "{\"a\": 1}")]);
        let (tries, body) = client(&url, 2).post("/", &Value::Null).expect("answered");
        assert_eq!((tries, body.as_slice()), (3, &b"{\"a\": 1}"[..]));
        let url = server(&[(503, "{\"message\": \"full\"}"), (503, "{\"message\": \"full\"}")]);
        let trouble = client(&url, 1).get("/").expect_err("busy");
        assert_eq!(trouble.to_string(), format!("{url}/ answers 503: full"));
        let url = server(&[(400, "{\"error\": {\"message\": \"no  such\\nthing\"}}")]);
        let trouble = client(&url, 5).get("/v1/x").expect_err("refused");
        assert_eq!(trouble.to_string(), format!("{url}/v1/x answers 400: no such thing"));
    }

    #[test]
    fn a_key_that_is_not_accepted_and_a_server_that_is_away_are_told_apart() {
        let url = server(&[(401, "")]);
        let trouble = client(&url, 5).get("/").expect_err("no key");
        assert_eq!(trouble, Trouble::Key { server: url });
        let away = "http://127.0.0.1:1/v1/";
        let trouble = client(away, 2).get("/").expect_err("nobody there");
        let text = trouble.to_string();
        assert!(text.starts_with("http://127.0.0.1:1 cannot be reached (tried 3 times)"), "{text}");
        assert!(trouble.hint().is_some());
    }

    #[test]
    fn a_long_message_is_cut_and_an_empty_one_says_so() {
        assert_eq!(message(b""), "no reason given");
        assert!(message("x".repeat(999).as_bytes()).len() < 310);
    }
}
