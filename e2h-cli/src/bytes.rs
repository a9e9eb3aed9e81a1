//! Sizes in memory and on disk, for people.

/// Bytes of a mebibyte.
pub(crate) const MIB: f64 = (1_u64 << 20) as f64;
/// Bytes of a gibibyte.
pub(crate) const GIB: f64 = (1_u64 << 30) as f64;

/// `bytes` in GiB, or in MiB where that would round to next to nothing.
pub(crate) fn size(bytes: f64) -> String {
    match bytes < 0.1 * GIB {
        true => format!("{:.1} MiB", bytes / MIB),
        false => format!("{:.2} GiB", bytes / GIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_size_is_not_told_as_nothing() {
        assert_eq!(size(3.3 * MIB), "3.3 MiB");
        assert_eq!(size(0.09 * GIB), "92.2 MiB");
        assert_eq!(size(1.5 * GIB), "1.50 GiB");
    }
}
