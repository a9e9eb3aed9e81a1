//! `e2h report --watch`: the page of runs that go on, served on this machine.
//!
//! The page is made anew when a browser asks for it. A few lines of script ask every two seconds whether the runs
//! have more to show, and load the page again when they do.
//!
//! # Invariants
//! - The server listens on the loopback interface, and answers only requests that name it as their host.
//! - It hands out the page and nothing else; no path of a request is ever opened.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use super::read;
use crate::hints::{Failure, Outcome};
use crate::progress::say;
use crate::report::html;

/// Bytes of a request's head at most.
const MAX_HEAD: u64 = 16_384;
/// Asks for the state of the runs and loads the page again when it has changed.
const FOLLOW: &str = "<script>{const state=()=>fetch('/state').then(r=>r.text());let first;\
setInterval(async()=>{try{const now=await state();first??=now;if(now!==first)location.reload()}catch{}},2000)}\
</script>\n</body>";

/// Serves until the process is stopped.
pub(super) fn serve(runs: &[PathBuf], port: u16) -> Outcome {
    for path in runs {
        read(path)?;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        Failure::run(format!("cannot listen on port {port}: {error}"))
            .hint("--port 0 takes a free port")
    })?;
    let address = listener.local_addr().map_err(Failure::run)?;
    say(&format!("the page is at http://{address}; Ctrl-C ends this"));
    for stream in listener.incoming().flatten() {
        // A browser that goes away is no failure.
        let _ = answer(&stream, runs);
    }
    Ok(())
}

fn answer(stream: &TcpStream, runs: &[PathBuf]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(stream.take(MAX_HEAD)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut host = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("host")
        {
            host = value.trim().to_owned();
        }
    }
    let (status, kind, body) = respond(&request, &host, runs);
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Status, kind and body.
fn respond(request: &str, host: &str, runs: &[PathBuf]) -> (&'static str, &'static str, String) {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if !matches!(name, "127.0.0.1" | "localhost") {
        return ("403 Forbidden", "text/plain", "this page is for this machine only\n".to_owned());
    }
    match request.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["GET", "/"] => ("200 OK", "text/html", page(runs)),
        ["GET", "/state"] => ("200 OK", "text/plain", state(runs)),
        _ => ("404 Not Found", "text/plain", "there is only the page /\n".to_owned()),
    }
}

fn page(runs: &[PathBuf]) -> String {
    let data: Result<Vec<_>, _> = runs.iter().map(|path| read(path)).collect();
    match data {
        Ok(data) => html(&data).replace("</body>", FOLLOW),
        Err(failure) => format!(
            "<!doctype html><title>E2H</title><body><pre>{}</pre></body>",
            failure.to_string().replace('&', "&amp;").replace('<', "&lt;")
        ),
    }
}

/// Sizes of the files that the page is made from.
fn state(runs: &[PathBuf]) -> String {
    let size = |path: PathBuf| fs::metadata(path).map_or(0, |meta| meta.len());
    let files = ["metrics.jsonl", "eval.jsonl", "samples.jsonl", "summary.json"];
    let sizes = runs.iter().flat_map(|run| files.map(|file| size(run.join(file)).to_string()));
    sizes.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_page_is_served_and_only_to_this_machine() {
        let status = |request, host| respond(request, host, &[]).0;
        assert_eq!(status("GET / HTTP/1.1", "127.0.0.1:8017"), "200 OK");
        assert_eq!(status("GET /state HTTP/1.1", "localhost:8017"), "200 OK");
        assert_eq!(status("GET / HTTP/1.1", "evil.example:8017"), "403 Forbidden");
        assert_eq!(status("GET / HTTP/1.1", ""), "403 Forbidden");
        assert_eq!(status("GET /../config.toml HTTP/1.1", "localhost"), "404 Not Found");
        assert_eq!(status("POST / HTTP/1.1", "localhost"), "404 Not Found");
        assert_eq!(status("", "localhost"), "404 Not Found");
    }
}
