//! The public interface against numbers from an independent program.

mod oracle;
