//! The decoder on a CPU: fused kernels over plain slices, one worker thread a core.
//!
//! burn's `flex` backend forks and joins inside every operation, which gains almost nothing at the sizes of
//! small models, and allocates a fresh buffer for each result. Here each worker owns a slice of the batch and
//! runs single-threaded kernels on buffers that it reuses; gradients are added up in the order of the slices.
//!
//! # Source
//! The way of working is llm.c's (Karpathy): explicit forward and backward loops over flat buffers.
//!
//! # Deviations
//! - Sequences are packed, not padded, and the completions of a group share their prompt's rows.
//! - Products go to the `gemm` crate, which picks AVX2 or AVX-512 at run time; those of decoding, which have few rows,
//!   to a kernel of our own over weights that are packed once a rollout.

pub(crate) mod attention;
pub(crate) mod decode;
pub(crate) mod forward;
pub(crate) mod head;
pub(crate) mod kv;
pub(crate) mod linalg;
pub(crate) mod ops;
pub(crate) mod packed;
pub(crate) mod side;
pub(crate) mod simd;
pub(crate) mod value;
