//! Attention of one query over cached keys and values: the loops of a decoding step, with sums in registers.
//!
//! Keys lie in blocks of [`BLOCK`] positions, within a block channel by channel, so that the scores of a block are one
//! vector operation a channel; values lie position by position, so that their weighted sum is one a position.
//!
//! # Invariants
//! - A sum goes channel by channel, or position by position in two halves, whatever else is computed beside it.

/// Positions of a block of keys.
pub(crate) const BLOCK: usize = 16;

/// Channels of a value that are summed at a time.
const CHANNELS: usize = 32;

/// Unscaled scores of `query` against whole blocks of keys.
///
/// # Shapes
/// - `scores`: `[blocks, BLOCK]`
/// - `query`: `[D]`
/// - `keys`: `[blocks, D, BLOCK]`
#[inline(always)]
pub(crate) fn scores(scores: &mut [f32], query: &[f32], keys: &[f32]) {
    let d = query.len();
    let (keys, _) = keys.as_chunks::<BLOCK>();
    let (blocks, _) = scores.as_chunks_mut::<BLOCK>();
    // Two blocks at a time, since one alone waits for its own sums.
    let mut pairs = blocks.chunks_exact_mut(2);
    let mut pair_keys = keys.chunks_exact(2 * d);
    for (blocks, keys) in (&mut pairs).zip(&mut pair_keys) {
        let (first, second) = keys.split_at(d);
        let mut sums = [[0.0; BLOCK]; 2];
        for ((q, a), b) in query.iter().zip(first).zip(second) {
            add_product(&mut sums[0], *q, a);
            add_product(&mut sums[1], *q, b);
        }
        blocks.copy_from_slice(&sums);
    }
    for (block, keys) in pairs.into_remainder().iter_mut().zip(pair_keys.remainder().chunks(d)) {
        let mut sums = [0.0; BLOCK];
        for (q, keys) in query.iter().zip(keys) {
            add_product(&mut sums, *q, keys);
        }
        *block = sums;
    }
}

/// Adds the sum of `values`, weighted by `probs`, to `out`.
///
/// # Shapes
/// - `out`: `[D]`
/// - `probs`: `[positions]`
/// - `values`: `[positions, D]`
#[inline(always)]
pub(crate) fn add_values(out: &mut [f32], probs: &[f32], values: &[f32]) {
    let d = out.len();
    let (parts, rest) = out.as_chunks_mut::<CHANNELS>();
    let n_whole = parts.len() * CHANNELS;
    for (index, out) in parts.iter_mut().enumerate() {
        let from = index * CHANNELS;
        let mut sums = [*out, [0.0; CHANNELS]];
        let (probs, last) = probs.as_chunks::<2>();
        for (probs, values) in probs.iter().zip(values.chunks_exact(2 * d)) {
            add_product(&mut sums[0], probs[0], part(&values[from..]));
            add_product(&mut sums[1], probs[1], part(&values[d + from..]));
        }
        if let [prob] = last {
            add_product(&mut sums[0], *prob, part(&values[2 * probs.len() * d + from..]));
        }
        for ((out, a), b) in out.iter_mut().zip(&sums[0]).zip(&sums[1]) {
            *out = a + b;
        }
    }
    for (prob, values) in probs.iter().zip(values.chunks_exact(d)) {
        for (out, value) in rest.iter_mut().zip(&values[n_whole..]) {
            *out += prob * value;
        }
    }
}

/// The first channels of `values`; zeros where there are too few.
#[inline(always)]
fn part(values: &[f32]) -> &[f32; CHANNELS] {
    values.first_chunk().unwrap_or(&[0.0; CHANNELS])
}

/// `sums[i] += factor x[i]`, each rounded once.
#[inline(always)]
fn add_product<const N: usize>(sums: &mut [f32; N], factor: f32, x: &[f32; N]) {
    for (sum, x) in sums.iter_mut().zip(x) {
        *sum = factor.mul_add(*x, *sum);
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::vectorized;
    use super::*;

    fn wave(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    #[test]
    fn scores_equal_the_definition() {
        for (d, blocks) in [(4, 1), (32, 2), (64, 5)] {
            let (query, keys) = (wave(d, 0.7), wave(blocks * d * BLOCK, 0.3));
            let mut out = vec![f32::NAN; blocks * BLOCK];
            vectorized!(scores(&mut out, &query, &keys));
            for (position, score) in out.iter().enumerate() {
                let (block, place) = (position / BLOCK, position % BLOCK);
                let key = |channel| keys[(block * d + channel) * BLOCK + place];
                let dot: f32 = query.iter().enumerate().map(|(i, q)| q * key(i)).sum();
                assert!((score - dot).abs() < 1e-4, "{d} {blocks} {position}: {score} {dot}");
            }
        }
    }

    #[test]
    fn weighted_values_equal_the_definition() {
        for (d, n) in [(8, 3), (32, 6), (48, 7), (64, 1), (128, 20)] {
            let (probs, values, before) = (wave(n, 0.7), wave(n * d, 0.3), wave(d, 0.1));
            let mut out = before.clone();
            vectorized!(add_values(&mut out, &probs, &values));
            for (channel, got) in out.iter().enumerate() {
                let sum: f32 =
                    probs.iter().enumerate().map(|(t, p)| p * values[t * d + channel]).sum();
                assert!((got - before[channel] - sum).abs() < 1e-4, "{d} {n} {channel}");
            }
        }
    }
}
