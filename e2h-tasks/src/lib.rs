//! E2H.

pub mod math;
