//! A card as its driver describes it, and which drivers are new enough.

/// The oldest driver that is accepted, as drivers count: CUDA 12.0.
const OLDEST_DRIVER: i32 = 12_000;

/// A card.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Card {
    pub name: String,
    pub memory_gib: f64,
    /// The newest CUDA version that the driver supports: 12080 is 12.8.
    pub driver_cuda: i32,
}

impl Card {
    /// The card for a person.
    pub(crate) fn describe(&self) -> String {
        let (name, memory) = (&self.name, self.memory_gib);
        format!("{name}, {memory:.0} GiB, driver for CUDA {}", text(self.driver_cuda))
    }
}

/// Refuses a driver that is too old, with a sentence that says so.
pub(crate) fn check_version(version: i32) -> Result<(), String> {
    if version >= OLDEST_DRIVER {
        return Ok(());
    }
    Err(format!(
        "the NVIDIA driver is too old: it supports CUDA {}, but {} is needed",
        text(version),
        text(OLDEST_DRIVER)
    ))
}

/// `12.8` for 12080.
fn text(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_described_and_an_old_driver_refused() {
        let card = Card { name: "A card".to_owned(), memory_gib: 79.6, driver_cuda: 12_080 };
        assert_eq!(card.describe(), "A card, 80 GiB, driver for CUDA 12.8");
        assert_eq!(check_version(13_000), Ok(()));
        let refused = check_version(11_040).expect_err("too old");
        assert!(refused.contains("supports CUDA 11.4, but 12.0 is needed"), "{refused}");
    }
}
