//! TensorBoard event files: scalars only.
//!
//! A record is the length of its data (u64), the masked CRC-32C of the length, the data, and the masked CRC-32C
//! of the data, all little-endian. The data is a protocol buffer `Event`: wall time (field 1, double), step
//! (field 2, varint), and either the file version (field 3) or a summary (field 5) of values with tag (1) and
//! simple value (2, float).
//!
//! # Source
//! TensorFlow's `record_writer.cc` and `event.proto`; the mask is `rotate_right(crc, 15) + 0xa282ead8`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::{Error, Result};

/// Appends the numbers of one step to the event file at `path`, which is begun where it is absent.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened or written.
pub(crate) fn append(path: &Path, step: u64, metrics: &Map<String, Value>) -> Result<()> {
    let mut bytes = Vec::new();
    if !path.exists() {
        let mut event = wall_time();
        field(&mut event, 3, b"brain.Event:2");
        record(&mut bytes, &event);
    }
    let mut summary = Vec::new();
    for (tag, value) in metrics.iter().filter(|(key, _)| *key != "step") {
        let Some(value) = value.as_f64() else { continue };
        let mut entry = Vec::new();
        field(&mut entry, 1, tag.as_bytes());
        entry.push(2 << 3 | 5);
        entry.extend_from_slice(&(value as f32).to_le_bytes());
        field(&mut summary, 1, &entry);
    }
    let mut event = wall_time();
    event.push(2 << 3);
    varint(&mut event, step);
    field(&mut event, 5, &summary);
    record(&mut bytes, &event);
    let mut file =
        OpenOptions::new().create(true).append(true).open(path).map_err(Error::io("open", path))?;
    file.write_all(&bytes).map_err(Error::io("write", path))
}

/// Field 1 of an event: seconds since 1970.
fn wall_time() -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64());
    let mut event = vec![1 << 3 | 1];
    event.extend_from_slice(&now.to_le_bytes());
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

    #[test]
    fn a_file_holds_a_version_and_one_event_a_step() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("events");
        let mut metrics = Map::new();
        metrics.insert("reward/mean".to_owned(), Value::from(0.5));
        metrics.insert("step".to_owned(), Value::from(300));
        for step in [300, 301] {
            append(&path, step, &metrics).expect("written");
        }
        let bytes = std::fs::read(&path).expect("readable");
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
        assert!(records[1].windows(11).any(|part| part == b"reward/mean"));
        assert!(records[1].ends_with(&0.5_f32.to_le_bytes()));
    }
}
