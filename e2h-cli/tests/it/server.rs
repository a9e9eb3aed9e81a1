//! A served model for tests: `e2h serve` on a free port of loopback, and the smallest of clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};

use serde_json::Value;

use crate::run::command;

/// A server, ended when it is dropped.
pub(crate) struct Server {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// `127.0.0.1:PORT`
    pub address: String,
}

/// An answer: status and body.
pub(crate) type Answer = (u16, String);

impl Server {
    /// Serves `model` with further arguments.
    pub(crate) fn start(model: &Path, extra: &[&str]) -> Self {
        let model = model.display().to_string();
        let args = [&["serve", "-m", &model, "--port", "0"], extra].concat();
        let mut command = command(Path::new("."), &args);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("e2h starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}"));
        Self { child, stderr, address: address.to_owned() }
    }

    /// The source of rollouts that this server is.
    pub(crate) fn source(&self) -> String {
        format!("openai:http://{}", self.address)
    }

    /// Sends a request with a JSON body.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let text = body.to_string();
        let head = format!("Content-Type: application/json\r\nContent-Length: {}", text.len());
        self.send(&format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n{text}"))
    }

    /// A completion that must succeed.
    pub(crate) fn complete(&self, body: &Value) -> Value {
        let (status, text) = self.post("/v1/completions", body);
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&self, bytes: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        stream.write_all(bytes.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.to_owned())
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = std::process::Command::new("kill").args([name, &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for the end: exit code and what was said meanwhile.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        self.stderr.read_to_string(&mut text).expect("text");
        let status = self.child.wait().expect("a child");
        (status.code(), text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
