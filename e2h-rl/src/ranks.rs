//! Processes that train one policy together: each draws its share of the completions and computes its share of the
//! gradient; everything else all of them do alike.
//!
//! The one thing that a way of talking must provide is [`Ranks::exchange`]: a message to each rank for a message from
//! each. What else is needed is made of it here, so every way of talking adds up in the same order.
//!
//! # Source
//! The sum is the reduce-scatter and all-gather of Thakur, Rabenseifner and Gropp 2005 with direct messages: each rank
//! adds up one segment and hands it to all, `2 (N - 1) / N` times the vector's bytes a rank.
//!
//! # Deviations
//! - Completions are exchanged, not rewards: then every rank scores, samples problems and tells the curriculum alike,
//!   and a checkpoint does not depend on the number of ranks. Completions are small beside gradients.
//!
//! # Invariants
//! - Ranks make the same calls in the same order. One that fails says so in its next call, and all end.
//! - Sums over ranks are a tree whose shape depends on their number alone: see [`tree`].

use std::time::Duration;

use e2h_core::{FinishReason, Generation};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "mpi")]
mod mpi;
mod threads;
pub(crate) mod work;

#[cfg(feature = "mpi")]
pub use self::mpi::MpiRank;
pub use threads::ThreadRank;

/// What can go wrong between ranks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RankError {
    /// A rank has ended without a word.
    #[error("rank {0} is gone: its process has ended")]
    Gone(usize),
    /// Ranks do not answer.
    #[error("{} not answered for {} s", have(ranks), after.as_secs())]
    Stalled {
        /// Which.
        ranks: Vec<usize>,
        /// For how long.
        after: Duration,
    },
    /// A rank has failed and said why.
    #[error("rank {rank} failed: {problem}")]
    Failed {
        /// Which.
        rank: usize,
        /// Why.
        problem: String,
    },
    /// A rank is not set up as the first one.
    #[error("rank {rank} has another {what} than rank 0: {other} instead of {first}")]
    Differs {
        /// Which.
        rank: usize,
        /// `version`, `configuration`, `model`, ...
        what: String,
        /// Its own.
        other: String,
        /// The first rank's.
        first: String,
    },
    /// A message is not what the call expects: ranks are not at the same place.
    #[error("rank {rank} sent what does not belong here: {problem}")]
    OutOfStep {
        /// Which.
        rank: usize,
        /// What is wrong.
        problem: String,
    },
    /// The library that carries messages failed.
    #[error("messages between ranks: {0}")]
    Transport(String),
}

fn have(ranks: &[usize]) -> String {
    let names: Vec<String> = ranks.iter().map(usize::to_string).collect();
    match names.len() {
        1 => format!("rank {} has", names[0]),
        _ => format!("ranks {} have", names.join(", ")),
    }
}

/// Results between ranks.
pub type RankResult<T> = Result<T, RankError>;

/// A way of talking to the other ranks.
pub trait Ranks {
    /// This process's number, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// Gives `messages[r]` to rank `r`, and returns what each rank had for this one.
    ///
    /// # Errors
    /// [`RankError::Gone`] or [`RankError::Stalled`].
    fn exchange(&self, messages: Vec<Vec<u8>>) -> RankResult<Vec<Vec<u8>>>;

    /// Time spent in exchanges so far, waiting included; zero where nobody counts.
    fn spent(&self) -> Duration {
        Duration::ZERO
    }
}

/// One process alone.
///
/// ```
/// use e2h_rl::{Alone, Ranks};
/// let ranks: &dyn Ranks = &Alone;
/// assert!(ranks.leads());
/// assert_eq!(ranks.all_gather(&"mine".to_owned())?, ["mine"]);
/// assert_eq!(ranks.sum_few(&[1.0, 2.0])?, [1.0, 2.0]);
/// # Ok::<(), e2h_rl::RankError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn exchange(&self, messages: Vec<Vec<u8>>) -> RankResult<Vec<Vec<u8>>> {
        Ok(messages)
    }
}

/// The last byte of a message.
const DATA: u8 = 0;
const FAILURE: u8 = 1;

/// Numbers that are summed at a time, so that a sum over billions takes little memory beside them.
const BLOCK: usize = 1 << 24;

impl dyn Ranks + '_ {
    /// True for the rank that writes.
    pub fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// Gives each rank a message, and takes one from each.
    fn deal(&self, mut messages: Vec<Vec<u8>>) -> RankResult<Vec<Vec<u8>>> {
        if self.size() == 1 {
            return Ok(messages);
        }
        messages.iter_mut().for_each(|message| message.push(DATA));
        let mut received = self.exchange(messages)?;
        for (rank, message) in received.iter_mut().enumerate() {
            match message.pop() {
                Some(DATA) => {}
                Some(FAILURE) => {
                    let problem = String::from_utf8_lossy(message).into_owned();
                    return Err(RankError::Failed { rank, problem });
                }
                _ => return Err(out_of_step(rank, "a message of no kind")),
            }
        }
        Ok(received)
    }

    /// Tells all ranks, at their next call, that this one has failed.
    ///
    /// True when rank 0 has failed at the same place with the same problem, and this rank need not tell anyone.
    pub fn fail(&self, problem: &str) -> bool {
        if self.size() == 1 {
            return false;
        }
        let message = [problem.as_bytes(), &[FAILURE]].concat();
        // Whether the others heard changes nothing any more.
        let heard = self.exchange(vec![message.clone(); self.size()]).unwrap_or_default();
        !self.leads() && heard.first() == Some(&message)
    }

    /// Gives all ranks `mine`, and returns what each gave.
    ///
    /// # Errors
    /// [`RankError`].
    pub fn all_gather_bytes(&self, mine: Vec<u8>) -> RankResult<Vec<Vec<u8>>> {
        self.deal(vec![mine; self.size()])
    }

    /// Gives all ranks `mine`, and returns what each gave.
    ///
    /// # Errors
    /// [`RankError`].
    pub fn all_gather<T: Serialize + DeserializeOwned>(&self, mine: &T) -> RankResult<Vec<T>> {
        let bytes = serde_json::to_vec(mine).map_err(|e| RankError::Transport(e.to_string()))?;
        let read = |(rank, bytes): (usize, Vec<u8>)| {
            serde_json::from_slice(&bytes).map_err(|error| out_of_step(rank, error))
        };
        self.all_gather_bytes(bytes)?.into_iter().enumerate().map(read).collect()
    }

    /// What rank 0 has in `mine`, on all ranks.
    ///
    /// # Errors
    /// [`RankError`].
    pub fn broadcast<T: Serialize + DeserializeOwned>(&self, mine: &T) -> RankResult<T> {
        let bytes = serde_json::to_vec(mine).map_err(|e| RankError::Transport(e.to_string()))?;
        let bytes = if self.leads() { bytes } else { Vec::new() };
        let mut received = self.all_gather_bytes(bytes)?;
        serde_json::from_slice(&received.swap_remove(0)).map_err(|error| out_of_step(0, error))
    }

    /// Compares facts by name with those of rank 0.
    ///
    /// # Errors
    /// [`RankError::Differs`] on every rank, naming the first rank and fact that differ.
    pub fn agree(&self, facts: &[(&str, String)]) -> RankResult<()> {
        let own: Vec<(String, String)> =
            facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let all = self.all_gather(&own)?;
        for (rank, theirs) in all.iter().enumerate() {
            for ((what, first), (_, other)) in all[0].iter().zip(theirs) {
                if first != other {
                    let (first, other) = difference(first, other);
                    return Err(RankError::Differs { rank, what: what.clone(), other, first });
                }
            }
        }
        Ok(())
    }

    /// Sums over ranks, element by element, in a fixed order; every rank has the result.
    ///
    /// # Errors
    /// [`RankError`].
    pub fn sum(&self, values: &mut [f32]) -> RankResult<()> {
        match self.size() {
            1 => Ok(()),
            _ => values.chunks_mut(BLOCK).try_for_each(|block| self.sum_block(block)),
        }
    }

    fn sum_block(&self, values: &mut [f32]) -> RankResult<()> {
        let n = self.size();
        let length = values.len();
        let segment = |rank: usize| length * rank / n..length * (rank + 1) / n;
        let messages = (0..n).map(|rank| to_bytes(&values[segment(rank)])).collect();
        let parts: Vec<Vec<f32>> = self.deal(messages)?.iter().map(|b| from_bytes(b)).collect();
        let mine = segment(self.rank()).len();
        if let Some(rank) = parts.iter().position(|part| part.len() != mine) {
            return Err(out_of_step(rank, "a segment of another length"));
        }
        let total = tree(parts, |a, b| a.iter_mut().zip(b).for_each(|(a, b)| *a += b));
        let all = self.all_gather_bytes(to_bytes(&total.unwrap_or_default()))?;
        for (rank, bytes) in all.iter().enumerate() {
            let (range, part) = (segment(rank), from_bytes(bytes));
            if part.len() != range.len() {
                return Err(out_of_step(rank, "a segment of another length"));
            }
            values[range].copy_from_slice(&part);
        }
        Ok(())
    }

    /// Sums of each of a few numbers over ranks, in the order of [`tree`].
    ///
    /// # Errors
    /// [`RankError`].
    pub fn sum_few(&self, values: &[f64]) -> RankResult<Vec<f64>> {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let read = |bytes: Vec<u8>| -> Vec<f64> {
            bytes
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default()))
                .collect()
        };
        let parts = self.all_gather_bytes(bytes)?.into_iter().map(read).collect();
        let total =
            tree(parts, |a: &mut Vec<f64>, b| a.iter_mut().zip(b).for_each(|(a, b)| *a += b));
        Ok(total.unwrap_or_default())
    }
}

fn out_of_step(rank: usize, problem: impl std::fmt::Display) -> RankError {
    RankError::OutOfStep { rank, problem: problem.to_string() }
}

/// The first line in which two texts differ, or the texts themselves where they are one line.
fn difference(first: &str, other: &str) -> (String, String) {
    let mut lines = first.lines().zip(other.lines());
    match lines.find(|(a, b)| a != b) {
        Some((a, b)) => (format!("`{a}`"), format!("`{b}`")),
        None => {
            (format!("{} lines", first.lines().count()), format!("{} lines", other.lines().count()))
        }
    }
}

/// Adds items up as a balanced tree, left half and right half; `None` for none.
///
/// With a power of two items, adding up equal runs of them first and then the sums is the same tree.
///
/// ```
/// use e2h_rl::tree;
/// let shape = |n: usize| {
///     let leaves = (1..=n).map(|i| i.to_string()).collect();
///     tree(leaves, |a: &mut String, b| *a = format!("({a} + {b})"))
/// };
/// assert_eq!(shape(4).as_deref(), Some("((1 + 2) + (3 + 4))"));
/// assert_eq!(shape(3).as_deref(), Some("(1 + (2 + 3))"));
/// assert_eq!(shape(0), None);
/// ```
pub fn tree<T>(mut items: Vec<T>, add: impl Fn(&mut T, &T) + Copy) -> Option<T> {
    if items.len() < 2 {
        return items.pop();
    }
    let right = items.split_off(items.len() / 2);
    let mut left = tree(items, add)?;
    add(&mut left, &tree(right, add)?);
    Some(left)
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    // One more for the kind of message.
    let mut bytes = Vec::with_capacity(4 * values.len() + 1);
    bytes.resize(4 * values.len(), 0);
    for (bytes, value) in bytes.chunks_exact_mut(4).zip(values) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap_or_default())).collect()
}

/// Lists of numbers as bytes.
pub(crate) fn lists_to_bytes(lists: &[(Vec<f32>, Vec<f32>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (a, b) in lists {
        bytes.extend((a.len() as u32).to_le_bytes());
        bytes.extend(to_bytes(a));
        bytes.extend(to_bytes(b));
    }
    bytes
}

/// Reads what [`lists_to_bytes`] wrote; `None` for anything else.
pub(crate) fn lists_from_bytes(mut bytes: &[u8]) -> Option<Vec<(Vec<f32>, Vec<f32>)>> {
    let mut lists = Vec::new();
    while !bytes.is_empty() {
        let n = take_u32(&mut bytes)? as usize;
        let a = from_bytes(bytes.split_off(..n.checked_mul(4)?)?);
        let b = from_bytes(bytes.split_off(..n.checked_mul(4)?)?);
        lists.push((a, b));
    }
    Some(lists)
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.split_off(..4)?.try_into().ok()?))
}

/// Groups of completions as bytes, to the bit.
pub(crate) fn groups_to_bytes(groups: &[Vec<Generation>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for group in groups {
        bytes.extend((group.len() as u32).to_le_bytes());
        for one in group {
            bytes.extend((one.tokens.len() as u32).to_le_bytes());
            bytes.extend(one.tokens.iter().flat_map(|token| token.to_le_bytes()));
            bytes.extend(to_bytes(&one.logprobs));
            bytes.push(match one.finish {
                FinishReason::Eos => 0,
                FinishReason::Stop => 1,
                FinishReason::Length => 2,
            });
        }
    }
    bytes
}

/// Reads what [`groups_to_bytes`] wrote; `None` for anything else.
pub(crate) fn groups_from_bytes(mut bytes: &[u8]) -> Option<Vec<Vec<Generation>>> {
    let mut groups = Vec::new();
    while !bytes.is_empty() {
        let n = take_u32(&mut bytes)?;
        let mut group = Vec::new();
        for _ in 0..n {
            let n_bytes = (take_u32(&mut bytes)? as usize).checked_mul(4)?;
            let tokens = bytes.split_off(..n_bytes)?;
            let logprobs = from_bytes(bytes.split_off(..n_bytes)?);
            let finish = match bytes.split_off(..1)?[0] {
                0 => FinishReason::Eos,
                1 => FinishReason::Stop,
                2 => FinishReason::Length,
                _ => return None,
            };
            let token = |b: &[u8]| Some(u32::from_le_bytes(b.try_into().ok()?));
            let tokens = tokens.chunks_exact(4).map(token).collect::<Option<Vec<u32>>>()?;
            group.push(Generation { tokens, logprobs, finish });
        }
        groups.push(group);
    }
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `work` on `n` ranks at once; their results in order.
    pub(super) fn on<R: Send>(n: usize, work: impl Fn(&dyn Ranks) -> R + Sync) -> Vec<R> {
        let ranks = ThreadRank::group(n, Duration::from_secs(20));
        std::thread::scope(|scope| {
            let work = &work;
            let spawn = |rank: ThreadRank| scope.spawn(move || work(&rank));
            let handles: Vec<_> = ranks.into_iter().map(spawn).collect();
            handles.into_iter().map(|handle| handle.join().expect("a rank")).collect()
        })
    }

    #[test]
    fn a_sum_is_the_same_on_all_ranks_and_for_any_power_of_two_of_them() {
        // Numbers whose sum depends on the order in which they are added.
        let part = |index: usize| -> Vec<f32> {
            (0..37)
                .map(|i| ((index * 37 + i) as f32 * 0.7).sin() * 10f32.powi((i % 9) as i32))
                .collect()
        };
        let add = |a: &mut Vec<f32>, b: &Vec<f32>| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        let whole = tree((0..8).map(part).collect(), add).expect("parts");
        for n in [1, 2, 4, 8] {
            let sums = on(n, |ranks| {
                let share = 8 / n;
                let own = (ranks.rank() * share..(ranks.rank() + 1) * share).map(part).collect();
                let mut own = tree(own, add).expect("parts");
                ranks.sum(&mut own).expect("added");
                own
            });
            for sum in sums {
                let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&sum), bits(&whole), "{n} ranks");
            }
        }
        let few = on(3, |ranks| ranks.sum_few(&[ranks.rank() as f64, 1.0]).expect("added"));
        assert_eq!(few, vec![vec![3.0, 3.0]; 3]);
    }

    #[test]
    fn everyone_gets_what_everyone_gave_and_what_the_first_has() {
        let all = on(4, |ranks| {
            let all = ranks.all_gather(&format!("from {}", ranks.rank())).expect("gathered");
            (all, ranks.broadcast(&ranks.rank()).expect("told"))
        });
        for (given, first) in all {
            assert_eq!(given, ["from 0", "from 1", "from 2", "from 3"]);
            assert_eq!(first, 0);
        }
    }

    #[test]
    fn ranks_that_are_set_up_differently_are_named_with_the_difference() {
        let answers = on(3, |ranks| {
            let config = if ranks.rank() == 2 { "a = 1\nb = 3\n" } else { "a = 1\nb = 2\n" };
            ranks.agree(&[("version", "1".to_owned()), ("configuration", config.to_owned())])
        });
        for answer in answers {
            let text = answer.expect_err("they differ").to_string();
            assert_eq!(
                text,
                "rank 2 has another configuration than rank 0: `b = 3` instead of `b = 2`"
            );
        }
    }

    #[test]
    fn completions_and_lists_come_back_to_the_bit_and_rubbish_does_not_panic() {
        let one = |n: usize, finish| Generation {
            tokens: (0..n as u32).map(|token| token * 70_000).collect(),
            logprobs: (0..n).map(|i| -0.1 * i as f32).collect(),
            finish,
        };
        let groups = vec![
            vec![one(3, FinishReason::Eos), one(0, FinishReason::Length)],
            vec![],
            vec![one(1, FinishReason::Stop)],
        ];
        let bytes = groups_to_bytes(&groups);
        assert_eq!(groups_from_bytes(&bytes), Some(groups));
        for end in 0..bytes.len() {
            let _ = groups_from_bytes(&bytes[..end]);
            let _ = lists_from_bytes(&bytes[..end]);
        }
        assert_eq!(groups_from_bytes(&[255; 40]), None);
        let lists = vec![(vec![1.5, -0.3], vec![0.1, 0.2]), (vec![], vec![])];
        assert_eq!(lists_from_bytes(&lists_to_bytes(&lists)), Some(lists));
    }
}
