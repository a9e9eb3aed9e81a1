//! The public interface: against numbers from an independent program, every bound, and every composition.
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod bounds;
mod compose;
mod example;
mod oracle;
