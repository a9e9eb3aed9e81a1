//! TensorBoard event files: scalars only.
//!
//! A record is the length of its data (u64), the masked CRC-32C of the length, the data, and the masked CRC-32C
//! of the data, all little-endian. The data is a protocol buffer `Event`: wall time (field 1, double), step
//! (field 2, varint), and either the file version (field 3) or a summary (field 5) of values with tag (1) and
//! simple value (2, float).
//!
//! # Source
//! TensorFlow's `record_writer.cc` and `event.proto`; the mask is `rotate_right(crc, 15) + 0xa282ead8`.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value};

use crate::{Error, Result, fault};

/// The record that an event file begins with.
pub(crate) fn head() -> Vec<u8> {
    head_at(now_s())
}

fn head_at(wall_s: f64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut event = wall_time(wall_s);
    field(&mut event, 3, b"brain.Event:2");
    record(&mut bytes, &event);
    bytes
}

/// The record of one step.
pub(crate) fn event(step: u64, metrics: &Map<String, Value>) -> Vec<u8> {
    event_at(now_s(), step, metrics)
}

fn event_at(wall_s: f64, step: u64, metrics: &Map<String, Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut summary = Vec::new();
    for (tag, value) in metrics.iter().filter(|(key, _)| *key != "step") {
        let Some(value) = value.as_f64() else { continue };
        let mut entry = Vec::new();
        field(&mut entry, 1, tag.as_bytes());
        entry.push(2 << 3 | 5);
        entry.extend_from_slice(&(value as f32).to_le_bytes());
        field(&mut summary, 1, &entry);
    }
    let mut event = wall_time(wall_s);
    event.push(2 << 3);
    varint(&mut event, step);
    field(&mut event, 5, &summary);
    record(&mut bytes, &event);
    bytes
}

/// Cuts off the records of steps from `step` on, and what comes after a torn record.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read or cut.
pub(crate) fn cut(path: &Path, step: u64) -> Result<()> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let mut end = 0;
    while let Some((data, next)) = data_at(&bytes, end) {
        if step_of(data).is_some_and(|at| at >= step) {
            break;
        }
        end = next;
    }
    if end == bytes.len() {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(path).map_err(Error::io("open", path))?;
    file.set_len(end as u64).map_err(Error::io("cut", path))
}

/// The data of the record at `at` and where the next one begins; `None` at the end or for a torn record.
fn data_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?);
    let end = (at + 12).checked_add(usize::try_from(length).ok()?)?;
    let (data, crc) = (bytes.get(at + 12..end)?, bytes.get(end..end.checked_add(4)?)?);
    (masked_crc(data).to_le_bytes() == crc).then_some((data, end + 4))
}

/// The step of an event, which follows its wall time of nine bytes.
fn step_of(data: &[u8]) -> Option<u64> {
    let (tag, rest) = data.get(9..)?.split_first()?;
    if *tag != 2 << 3 {
        return None;
    }
    let mut step = 0;
    for (place, byte) in rest.iter().take(10).enumerate() {
        step |= u64::from(byte & 0x7f).checked_shl(7 * place as u32)?;
        if byte & 0x80 == 0 {
            return Some(step);
        }
    }
    None
}

/// Seconds since 1970.
fn now_s() -> f64 {
    fault::now().duration_since(UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64())
}

/// Field 1 of an event: seconds since 1970.
fn wall_time(wall_s: f64) -> Vec<u8> {
    let mut event = vec![1 << 3 | 1];
    event.extend_from_slice(&wall_s.to_le_bytes());
    event
}

/// A length-delimited field.
fn field(target: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    target.push(number << 3 | 2);
    varint(target, bytes.len() as u64);
    target.extend_from_slice(bytes);
}

fn varint(target: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        target.push(value as u8 | 0x80);
        value >>= 7;
    }
    target.push(value as u8);
}

fn record(target: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    target.extend_from_slice(&length);
    target.extend_from_slice(&masked_crc(&length).to_le_bytes());
    target.extend_from_slice(data);
    target.extend_from_slice(&masked_crc(data).to_le_bytes());
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: event files are small.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_equals_published_values() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// What the package tensorboard 2.21 writes with its own `RecordWriter` for the events of the test below.
    const BY_TENSORBOARD: &str = "\
        1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c2c00000000\
        000000f4aecc4509000000000000f83f10012a1f0a0e0a07656e74726f7079150000a03f0a0d0a067265776172\
        64150000003f0914b0c22d000000000000003c418afb09000000000000f83f10ac022a1f0a0e0a07656e74726f\
        7079150000003e0a0d0a0672657761726415000040c026b92d39";

    #[test]
    fn the_bytes_are_those_that_tensorboard_itself_writes() {
        let metrics = |entropy: f64, reward: f64| {
            let pairs = [("entropy", entropy), ("reward", reward)];
            pairs.map(|(key, value)| (key.to_owned(), Value::from(value))).into_iter().collect()
        };
        let records = [
            head_at(1.5),
            event_at(1.5, 1, &metrics(1.25, 0.5)),
            event_at(1.5, 300, &metrics(0.125, -3.0)),
        ];
        let hex: String = records.concat().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, BY_TENSORBOARD);
    }

    #[test]
    fn a_file_holds_a_version_and_one_event_a_step() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("events");
        let mut metrics = Map::new();
        metrics.insert("reward".to_owned(), Value::from(0.5));
        metrics.insert("step".to_owned(), Value::from(300));
        let whole: Vec<u8> =
            [head(), event(300, &metrics), event(301, &metrics)].into_iter().flatten().collect();
        // A torn record and those of later steps are cut off.
        let mut torn = whole.clone();
        torn.extend_from_slice(&event(302, &metrics));
        torn.extend_from_slice(&event(303, &metrics)[..20]);
        fs::write(&path, torn).expect("writable");
        cut(&path, 302).expect("cut");
        let bytes = fs::read(&path).expect("readable");
        assert_eq!(bytes, whole);
        let mut records = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let header: [u8; 8] = bytes[at..at + 8].try_into().expect("eight bytes");
            let length = u64::from_le_bytes(header) as usize;
            let data = &bytes[at + 12..at + 12 + length];
            let crc: [u8; 4] =
                bytes[at + 12 + length..at + 16 + length].try_into().expect("four bytes");
            assert_eq!(u32::from_le_bytes(crc), masked_crc(data));
            records.push(data.to_vec());
            at += 16 + length;
        }
        assert_eq!(records.len(), 3);
        assert!(records[0].ends_with(b"brain.Event:2"));
        // Step 300 is the varint ac 02; the value's tag and its float follow.
        assert_eq!(records[1][9..12], [0x10, 0xac, 0x02]);
        assert!(records[1].windows(6).any(|part| part == b"reward"));
        assert!(records[1].ends_with(&0.5_f32.to_le_bytes()));
    }
}
