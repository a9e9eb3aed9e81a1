//! A rank's share of the work of a step: completions, log-probs, gradients.
//!
//! # Invariants
//! - Completions and log-probs of a sequence do not depend on which rank computes them.
//! - A gradient is a [`tree`] over the parts of the minibatch, whoever computes a part. With `train.shards` set, parts
//!   and tree are the same for 1, 2, 4, ... ranks, and so is the sum, to the bit; without it there is one part a rank.

use std::ops::Range;

use e2h_core::{GenerateRequest, Generation};
use e2h_model::Group;

use super::{RankError, RankResult, Ranks, groups_from_bytes, groups_to_bytes, lists_from_bytes};
use super::{lists_to_bytes, out_of_step};
use crate::Result;

/// Log-probs and entropies, sequence after sequence.
pub(crate) type Stats = Vec<(Vec<f32>, Vec<f32>)>;

/// Cuts items with these weights into `n` runs of about equal weight; some may be empty.
pub(crate) fn cut(weights: &[usize], n: usize) -> Vec<Range<usize>> {
    let total: usize = weights.iter().sum();
    let (mut runs, mut start, mut end, mut before) = (Vec::with_capacity(n), 0, 0, 0);
    for run in 1..=n {
        // An item belongs to the run in which its middle lies.
        while end < weights.len()
            && (run == n || (2 * before + weights[end]) * n <= 2 * total * run)
        {
            before += weights[end];
            end += 1;
        }
        runs.push(start..end);
        start = end;
    }
    runs
}

/// The completions of `requests`: every rank draws those of its share and gives them to all.
///
/// # Errors
/// What `draw` ran into, on this rank alone; else [`RankError`].
pub(crate) fn share_requests(
    ranks: &dyn Ranks,
    requests: Vec<GenerateRequest>,
    draw: impl FnOnce(Vec<GenerateRequest>) -> e2h_core::Result<Vec<Vec<Generation>>>,
) -> e2h_core::Result<RankResult<Vec<Vec<Generation>>>> {
    let (size, n) = (ranks.size(), requests.len());
    if size == 1 {
        return draw(requests).map(Ok);
    }
    let own = requests.into_iter().enumerate().filter(|(index, _)| index % size == ranks.rank());
    let drawn = draw(own.map(|(_, request)| request).collect())?;
    Ok(ranks.all_gather_bytes(groups_to_bytes(&drawn)).and_then(|all| in_order(&all, n)))
}

/// Puts together what the ranks have drawn in turn.
fn in_order(all: &[Vec<u8>], n: usize) -> RankResult<Vec<Vec<Generation>>> {
    let mut parts = Vec::with_capacity(all.len());
    for (rank, bytes) in all.iter().enumerate() {
        let groups = groups_from_bytes(bytes).ok_or_else(|| out_of_step(rank, "no completions"))?;
        parts.push(groups.into_iter());
    }
    let size = parts.len();
    (0..n)
        .map(|index| {
            let missing = || out_of_step(index % size, "too few completions");
            parts[index % size].next().ok_or_else(missing)
        })
        .collect()
}

/// Log-probs and entropies of `groups`: every rank computes those of its parts and gives them to all.
///
/// # Errors
/// What `compute` ran into, or [`RankError`].
pub(crate) fn share_stats<'g>(
    ranks: &dyn Ranks,
    n_parts: usize,
    groups: &[Group<'g>],
    mut compute: impl FnMut(&[Group<'g>]) -> e2h_model::Result<Stats>,
) -> Result<Stats> {
    let runs = cut(&weights(groups), n_parts);
    let mut stats = Vec::new();
    for part in own_parts(ranks, n_parts)? {
        let own = &groups[runs[part].clone()];
        if !own.is_empty() {
            stats.extend(compute(own)?);
        }
    }
    if ranks.size() == 1 {
        return Ok(stats);
    }
    let mut all = Vec::new();
    for (rank, bytes) in ranks.all_gather_bytes(lists_to_bytes(&stats))?.iter().enumerate() {
        let part = lists_from_bytes(bytes).ok_or_else(|| out_of_step(rank, "no log-probs"))?;
        all.extend(part);
    }
    Ok(all)
}

/// Rows of each group.
fn weights(groups: &[Group<'_>]) -> Vec<usize> {
    let rows = |group: &Group<'_>| {
        group.prompt.len() + group.completions.iter().map(|tokens| tokens.len()).sum::<usize>()
    };
    groups.iter().map(rows).collect()
}

/// Adds up the parts `range` of a gradient as the tree over all parts does.
///
/// `part` computes one: the gradient, and a few sums beside it.
///
/// # Errors
/// What `part` ran into.
pub(crate) fn parts_sum(
    range: Range<usize>,
    part: &mut dyn FnMut(usize) -> Result<(Vec<f32>, Vec<f64>)>,
) -> Result<(Vec<f32>, Vec<f64>)> {
    if range.len() == 1 {
        return part(range.start);
    }
    // The same halves as in `tree`.
    let middle = range.start + range.len() / 2;
    let (mut grads, mut sums) = parts_sum(range.start..middle, part)?;
    let (right, right_sums) = parts_sum(middle..range.end, part)?;
    grads.iter_mut().zip(&right).for_each(|(a, b)| *a += b);
    sums.iter_mut().zip(&right_sums).for_each(|(a, b)| *a += b);
    Ok((grads, sums))
}

/// The parts of a gradient that this rank computes, of `n_parts`.
///
/// # Errors
/// [`RankError::Transport`] when the parts cannot be dealt out evenly.
pub(crate) fn own_parts(ranks: &dyn Ranks, n_parts: usize) -> RankResult<Range<usize>> {
    let (rank, size) = (ranks.rank(), ranks.size());
    if !n_parts.is_multiple_of(size) {
        let problem =
            format!("train.shards is {n_parts}, but must be a multiple of the {size} ranks");
        return Err(RankError::Transport(problem));
    }
    let each = n_parts / size;
    Ok(rank * each..(rank + 1) * each)
}

#[cfg(test)]
mod tests {
    use super::super::{Alone, tree};
    use super::*;

    #[test]
    fn runs_cover_everything_in_order_with_about_equal_weight() {
        for (given, n) in [(vec![5, 1, 1, 1, 4], 3), (vec![1], 4), (vec![], 2), (vec![9, 1, 1], 2)]
        {
            let runs = cut(&given, n);
            assert_eq!(runs.len(), n);
            let joined: Vec<usize> = runs.iter().cloned().flatten().collect();
            assert_eq!(joined, (0..given.len()).collect::<Vec<_>>(), "{given:?}");
        }
        assert_eq!(cut(&[1; 8], 4), [0..2, 2..4, 4..6, 6..8]);
        assert_eq!(cut(&[9, 1, 1], 2), [0..1, 1..3]);
    }

    #[test]
    fn parts_are_added_in_the_order_of_the_tree() {
        let part = |index: usize| vec![(index as f32 * 1.3).sin() * 10f32.powi(index as i32 % 7)];
        for n in [1, 2, 3, 4, 7, 8] {
            let whole = tree((0..n).map(part).collect(), |a: &mut Vec<f32>, b| a[0] += b[0]);
            let mut each = |index| Ok((part(index), vec![1.0]));
            let (sum, count) = parts_sum(0..n, &mut each).expect("added");
            assert_eq!(sum[0].to_bits(), whole.expect("parts")[0].to_bits(), "{n}");
            assert_eq!(count, [n as f64]);
        }
    }

    #[test]
    fn one_rank_has_all_parts() {
        assert_eq!(own_parts(&Alone, 4), Ok(0..4));
    }
}
