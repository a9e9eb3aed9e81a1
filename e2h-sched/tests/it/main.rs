//! The public interface against numbers from an independent program.
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod oracle;
