//! HTTP/1.1 as `e2h serve` needs it: one request a connection, bounded in size and time.
//!
//! # Source
//! RFC 9112. Heads are parsed by the crate `httparse`.
//!
//! # Deviations
//! - Every connection is closed after its answer: a client pays one handshake a request, and no idle connection holds
//!   a place.
//! - A body needs a `Content-Length`; a chunked one is answered 411.
//!
//! # Invariants
//! - Nothing larger than the limits is ever held, and no read waits longer than the patience in all.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Bytes of a request's head at most.
const MAX_HEAD: usize = 16_384;
/// Header lines of a request at most.
const MAX_HEADERS: usize = 64;
/// Bytes of an unread body that are taken in after a refusal, so that the client reads the answer.
const MAX_LINGER: usize = 1 << 20;

/// What a request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of a body.
    pub body: usize,
    /// Time until head and body are there.
    pub patience: Duration,
}

/// A request that is there as a whole.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// The path, without what follows a `?`.
    pub path: String,
    headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, whatever its case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Why a request is not answered as asked: a status, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What is wrong.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

/// Reads a request; `None` when the client went away without one.
///
/// # Errors
/// What the client is to be told: 400, 408, 411, 413 or 431.
pub(crate) fn read(stream: &mut TcpStream, limits: Limits) -> Result<Option<Request>, Refusal> {
    let deadline = Instant::now() + limits.patience;
    let mut bytes = Vec::new();
    let (mut request, start) = loop {
        if let Some(found) = parse_head(&bytes)? {
            break found;
        }
        if bytes.len() >= MAX_HEAD {
            return Err(Refusal::new(431, format!("the head is over {MAX_HEAD} bytes")));
        }
        if more(stream, &mut bytes, deadline)? == 0 {
            return match bytes.is_empty() {
                true => Ok(None),
                false => Err(Refusal::new(400, "the request ends within its head")),
            };
        }
    };
    let length = body_length(&request, limits.body)?;
    if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        // A client that does not wait for this reads it all the same.
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    request.body = bytes.split_off(start);
    while request.body.len() < length {
        if more(stream, &mut request.body, deadline)? == 0 {
            return Err(Refusal::new(400, "the request ends within its body"));
        }
    }
    request.body.truncate(length);
    Ok(Some(request))
}

/// The request without its body, and where the body begins; `None` when the head is not all there.
fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize)>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let start = match head.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal::new(431, format!("there are over {MAX_HEADERS} headers")));
        }
        Err(error) => return Err(Refusal::new(400, format!("not an HTTP request: {error}"))),
    };
    let target = head.path.unwrap_or_default();
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let own = |header: &httparse::Header<'_>| {
        (header.name.to_owned(), String::from_utf8_lossy(header.value).trim().to_owned())
    };
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        headers: head.headers.iter().map(own).collect(),
        body: Vec::new(),
    };
    Ok(Some((request, start)))
}

/// Bytes of the body that follows.
fn body_length(request: &Request, limit: usize) -> Result<usize, Refusal> {
    if request.header("transfer-encoding").is_some() {
        return Err(Refusal::new(411, "a body needs a Content-Length"));
    }
    let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("content-length");
    let lengths: Vec<&str> =
        request.headers.iter().filter(named).map(|(_, value)| value.as_str()).collect();
    let length = match lengths[..] {
        [] => 0,
        [one] if one.bytes().all(|byte| byte.is_ascii_digit()) => one.parse().unwrap_or(usize::MAX),
        _ => return Err(Refusal::new(400, "the Content-Length is not one number")),
    };
    if length > limit {
        return Err(Refusal::new(413, format!("the body is over the limit of {limit} bytes")));
    }
    Ok(length)
}

/// Reads what is there, waiting at most until the deadline.
fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>, deadline: Instant) -> Result<usize, Refusal> {
    let late = || Refusal::new(408, "the request took too long to arrive");
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
        return Err(late());
    }
    let mut chunk = [0; 16_384];
    match stream.read(&mut chunk) {
        Ok(n) => {
            bytes.extend_from_slice(&chunk[..n]);
            Ok(n)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Err(late())
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => more(stream, bytes, deadline),
        Err(_) => Ok(0),
    }
}

/// The head of an answer; without a length the body ends with the connection.
pub(crate) fn head(status: u16, kind: &str, length: Option<usize>) -> String {
    let length = length.map_or(String::new(), |length| format!("Content-Length: {length}\r\n"));
    let retry = if status == 503 { "Retry-After: 1\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\n{length}{retry}Cache-Control: no-store\r\n\
         Connection: close\r\n\r\n",
        reason(status)
    )
}

/// Answers with a whole body.
///
/// # Errors
/// When the client has gone away.
pub(crate) fn answer(
    stream: &mut TcpStream,
    status: u16,
    kind: &str,
    body: &[u8],
) -> std::io::Result<()> {
    stream.write_all(head(status, kind, Some(body.len())).as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}

/// Ends a connection so that the client reads the answer even when it has not sent all of its request.
pub(crate) fn end(stream: &mut TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let (mut sink, mut taken) = ([0; 4096], 0);
    while taken < MAX_LINGER {
        match stream.read(&mut sink) {
            Ok(0) | Err(_) => break,
            Ok(n) => taken += n,
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// What `read` makes of bytes that a client sends before it stops sending.
    fn sent(bytes: &[u8], patience_ms: u64, stay: bool) -> Result<Option<Request>, Refusal> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut client = TcpStream::connect(address).expect("connected");
        client.write_all(bytes).expect("sent");
        if !stay {
            client.shutdown(Shutdown::Write).expect("closed");
        }
        let (mut stream, _) = listener.accept().expect("accepted");
        let limits = Limits { body: 32, patience: Duration::from_millis(patience_ms) };
        read(&mut stream, limits)
    }

    #[test]
    fn a_request_is_read_with_its_body_and_without_its_query() {
        let bytes = b"POST /v1/x?y=1 HTTP/1.1\r\nHost: a\r\ncontent-length: 4\r\n\r\nbodytoo much";
        let request = sent(bytes, 2000, false).expect("read").expect("a request");
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/x"));
        assert_eq!((request.header("HOST"), request.body.as_slice()), (Some("a"), &b"body"[..]));
        assert!(sent(b"", 2000, false).expect("read").is_none());
    }

    #[test]
    fn what_is_over_a_limit_or_broken_is_refused_with_its_status() {
        let long = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(MAX_HEAD));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
        for (bytes, status) in [
            ("POST / HTTP/1.1\r\nContent-Length: 33\r\n\r\n", 413),
            ("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
            ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
            ("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort", 400),
            ("nonsense\r\n\r\n", 400),
            ("GET / HT", 400),
            (&long, 431),
            (&many, 431),
        ] {
            let refusal = sent(bytes.as_bytes(), 2000, false).expect_err("refused");
            assert_eq!(refusal.status, status, "{bytes:?}: {refusal:?}");
        }
    }

    #[test]
    fn a_client_that_sends_nothing_more_is_given_up() {
        let start = Instant::now();
        let refusal = sent(b"POST / HTTP/1.1\r\n", 50, true).expect_err("late");
        assert_eq!(refusal.status, 408);
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
