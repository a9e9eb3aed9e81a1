//! Lines of a byte stream, of bounded length, as soon as they have arrived.
//!
//! # Invariants
//! - Every line of the input comes out once, in order, with its 1-based number; so does a last line without a line feed.
//! - A batch ends where the reader has no more bytes ready, so the other end of a pipe is never waited for while there
//!   are lines to work on.
//! - No more than one buffer of the reader and one line of the greatest length are held.

use std::io::{self, BufRead, ErrorKind};

/// Longest line that is read by default, in bytes.
pub(crate) const MAX_LINE_BYTES: usize = 16 << 20;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// 1-based.
    pub(crate) number: u64,
    /// Without its line end; `None` when it was too long to be held.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Line {
    /// True for a line with nothing on it but white space.
    pub(crate) fn is_blank(&self) -> bool {
        let bytes = self.bytes.as_deref();
        bytes.is_some_and(|bytes| bytes.iter().all(u8::is_ascii_whitespace))
    }

    /// The line as text, or what is wrong with it.
    pub(crate) fn text(&self) -> Result<&str, &'static str> {
        let bytes = self.bytes.as_deref().ok_or("is too long")?;
        let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
        Ok(match self.number {
            1 => text.strip_prefix('\u{feff}').unwrap_or(text),
            _ => text,
        })
    }
}

/// Splits a reader into lines.
pub(crate) struct LineReader<R> {
    input: R,
    max_bytes: usize,
    n_lines: u64,
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    /// True while the line at hand is too long and is passed over.
    overlong: bool,
}

impl<R: BufRead> LineReader<R> {
    pub(crate) fn new(input: R, max_bytes: usize) -> Self {
        Self { input, max_bytes, n_lines: 0, partial: Vec::new(), overlong: false }
    }

    /// Appends to `batch` the lines that are ready, at least one; false at the end of the input.
    pub(crate) fn next_batch(&mut self, batch: &mut Vec<Line>) -> io::Result<bool> {
        loop {
            let ready = match self.input.fill_buf() {
                Ok(ready) => ready,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let n_ready = ready.len();
            if n_ready == 0 {
                if self.partial.is_empty() && !self.overlong {
                    return Ok(false);
                }
                batch.push(self.end_line());
                return Ok(true);
            }
            let mut rest = ready;
            let n_before = batch.len();
            while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                extend(&mut self.partial, &mut self.overlong, self.max_bytes, &rest[..end]);
                rest = &rest[end + 1..];
                self.n_lines += 1;
                batch.push(finish(&mut self.partial, &mut self.overlong, self.n_lines));
            }
            extend(&mut self.partial, &mut self.overlong, self.max_bytes, rest);
            self.input.consume(n_ready);
            if batch.len() > n_before {
                return Ok(true);
            }
        }
    }

    fn end_line(&mut self) -> Line {
        self.n_lines += 1;
        finish(&mut self.partial, &mut self.overlong, self.n_lines)
    }
}

/// Adds bytes to the line at hand, unless it gets too long.
fn extend(partial: &mut Vec<u8>, overlong: &mut bool, max_bytes: usize, bytes: &[u8]) {
    if *overlong || partial.len() + bytes.len() > max_bytes {
        *overlong = true;
        *partial = Vec::new();
    } else {
        partial.extend_from_slice(bytes);
    }
}

/// Takes the line at hand.
fn finish(partial: &mut Vec<u8>, overlong: &mut bool, number: u64) -> Line {
    let mut bytes = std::mem::take(partial);
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    let overlong = std::mem::take(overlong);
    Line { number, bytes: (!overlong).then_some(bytes) }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(input: &[u8], buffer: usize, max_bytes: usize) -> Vec<Line> {
        let mut reader = LineReader::new(BufReader::with_capacity(buffer, input), max_bytes);
        let mut lines = Vec::new();
        while reader.next_batch(&mut lines).expect("a slice reads") {}
        lines
    }

    fn line(number: u64, text: &str) -> Line {
        Line { number, bytes: Some(text.as_bytes().to_vec()) }
    }

    #[test]
    fn the_lines_do_not_depend_on_the_size_of_the_buffer() {
        let input = b"\xef\xbb\xbfone\r\n\ntwo and more\n\r\nlast";
        for buffer in 1..40 {
            let found = lines(input, buffer, 100);
            let expected = [
                line(1, "\u{feff}one"),
                line(2, ""),
                line(3, "two and more"),
                line(4, ""),
                line(5, "last"),
            ];
            assert_eq!(found, expected, "buffer of {buffer}");
            assert_eq!(found[0].text(), Ok("one"));
        }
        assert_eq!(lines(b"", 8, 100), []);
        assert_eq!(lines(b"\n", 8, 100), [line(1, "")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_is_whole() {
        for buffer in [1, 3, 64] {
            let found = lines(b"12345\n123456\n1\n1234567", buffer, 5);
            let long = |number| Line { number, bytes: None };
            assert_eq!(found, [line(1, "12345"), long(2), line(3, "1"), long(4)]);
            assert_eq!(found[1].text(), Err("is too long"));
        }
    }

    #[test]
    fn a_batch_ends_where_the_reader_has_no_more_ready() {
        let mut reader = LineReader::new(BufReader::with_capacity(4, &b"a\nb\nc\nd\n"[..]), 100);
        let mut batch = Vec::new();
        assert!(reader.next_batch(&mut batch).expect("reads"));
        assert_eq!(batch, [line(1, "a"), line(2, "b")]);
    }
}
