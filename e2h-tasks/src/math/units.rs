//! Units of measure after a value: which ones are the same, and by what factor they differ.
//!
//! A known unit has a dimension and an exact size; `3\text{ m}` equals `300\text{ cm}`. A word that is not
//! in the table (`students`, `ways`) only says what is counted and does not decide.
//!
//! # Source
//! SI and the international yard, pound, US gallon and avoirdupois ounce.
//! # Deviations
//! 1. A currency sign other than the dollar is money of the same size: the answers say which amount is
//!    meant, not which country.
//! # Invariants
//! - A missing unit on either side is never a mismatch.

use num_rational::BigRational;
use num_traits::{One, Zero};

/// Powers of metre, gram, second, dollar and degree Celsius.
type Dimension = [i32; 5];

/// A unit phrase such as `square inches` or `km/h`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unit {
    dimension: Dimension,
    scale: BigRational,
    /// Words outside the table, with their powers.
    others: Vec<(String, i32)>,
}

const LENGTH: Dimension = [1, 0, 0, 0, 0];
const VOLUME: Dimension = [3, 0, 0, 0, 0];
const AREA: Dimension = [2, 0, 0, 0, 0];
const MASS: Dimension = [0, 1, 0, 0, 0];
const TIME: Dimension = [0, 0, 1, 0, 0];
const MONEY: Dimension = [0, 0, 0, 1, 0];
const HEAT: Dimension = [0, 0, 0, 0, 1];
const SPEED: Dimension = [1, 0, -1, 0, 0];

/// Names, dimension, and size as a fraction of the base units (metre, gram, second, dollar).
type Row = (&'static [&'static str], Dimension, i64, i64);

const TABLE: &[Row] = &[
    (&["m", "meter", "metre"], LENGTH, 1, 1),
    (&["cm", "centimeter", "centimetre"], LENGTH, 1, 100),
    (&["mm", "millimeter", "millimetre"], LENGTH, 1, 1000),
    (&["km", "kilometer", "kilometre"], LENGTH, 1000, 1),
    (&["in", "inch", "inche"], LENGTH, 254, 10_000),
    (&["ft", "foot", "feet"], LENGTH, 3048, 10_000),
    (&["yd", "yard"], LENGTH, 9144, 10_000),
    (&["mi", "mile"], LENGTH, 1_609_344, 1000),
    (&["parsec"], LENGTH, 30_856_775_814_913_673, 1),
    (&["acre"], AREA, 40_468_564_224, 10_000_000),
    (&["hectare", "ha"], AREA, 10_000, 1),
    (&["l", "liter", "litre"], VOLUME, 1, 1000),
    (&["ml", "milliliter", "millilitre", "cc"], VOLUME, 1, 1_000_000),
    (&["gallon", "gal"], VOLUME, 3_785_411_784, 1_000_000_000_000),
    (&["quart", "qt"], VOLUME, 946_352_946, 1_000_000_000_000),
    (&["g", "gram", "gm"], MASS, 1, 1),
    (&["kg", "kilogram", "kilo"], MASS, 1000, 1),
    (&["mg", "milligram"], MASS, 1, 1000),
    (&["ton", "tonne"], MASS, 1_000_000, 1),
    (&["lb", "pound"], MASS, 45_359_237, 100_000),
    (&["oz", "ounce"], MASS, 45_359_237, 1_600_000),
    (&["s", "sec", "second"], TIME, 1, 1),
    (&["min", "minute"], TIME, 60, 1),
    (&["h", "hr", "hour"], TIME, 3600, 1),
    (&["day"], TIME, 86_400, 1),
    (&["week"], TIME, 604_800, 1),
    (&["month"], TIME, 2_629_746, 1),
    (&["year", "yr"], TIME, 31_556_952, 1),
    (&["dollar", "usd", "buck", "euro", "eur", "yuan", "rupee", "rs", "peso", "yen"], MONEY, 1, 1),
    (&["cent", "penny", "pennie"], MONEY, 1, 100),
    (&["mph"], SPEED, 1_609_344, 3_600_000),
    (&["kph", "kmh", "kmph"], SPEED, 1000, 3600),
    (&["mps"], SPEED, 1, 1),
    (&["fps"], SPEED, 3048, 10_000),
    (&["celsiu", "c"], HEAT, 1, 1),
];

/// The singular, lower-case form by which words are compared.
fn stem(word: &str) -> String {
    let mut stem = word.to_lowercase();
    stem.retain(char::is_alphanumeric);
    if stem.len() > 2 && stem.ends_with('s') && !stem.ends_with("ss") {
        stem.pop();
    }
    stem
}

fn row(stem: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.0.contains(&stem))
}

/// True when `word` names a unit of the table, so that it is no product of variables.
pub(crate) fn is_unit_word(word: &str) -> bool {
    let stem = stem(word);
    word.len() > 1 && stem != "rs" && row(&stem).is_some()
        || matches!(stem.as_str(), "unit" | "sq" | "cubic" | "square" | "pt" | "point")
}

impl Unit {
    /// Money in dollars.
    pub(crate) fn dollars() -> Self {
        Self { dimension: MONEY, scale: BigRational::one(), others: Vec::new() }
    }

    /// The unit that a run of words with their powers names.
    pub(crate) fn from_words(words: &[(String, i32)]) -> Self {
        let mut unit = Self { dimension: [0; 5], scale: BigRational::one(), others: Vec::new() };
        let (mut sign, mut pending) = (1, 1);
        for (word, power) in words {
            let stem = stem(word);
            match stem.as_str() {
                "per" | "/" | "" if word == "/" || stem == "per" => sign = -1,
                "square" | "sq" | "squared" => pending = 2,
                "cubic" | "cu" | "cubed" => pending = 3,
                "" | "of" | "the" | "a" | "an" | "in" if words.len() > 1 => {}
                _ => {
                    unit.multiply(&stem, power.saturating_mul(pending) * sign);
                    (sign, pending) = (1, 1);
                }
            }
        }
        unit
    }

    fn multiply(&mut self, stem: &str, power: i32) {
        let known = row(stem).filter(|_| power.abs() <= 6);
        let Some((_, dimension, num, den)) = known else {
            self.others.push((stem.to_owned(), power));
            return;
        };
        for (have, add) in self.dimension.iter_mut().zip(dimension) {
            *have += add * power;
        }
        let size = BigRational::new((*num).into(), (*den).into());
        self.scale *= size.pow(power);
    }

    /// True when all words of the unit are in the table.
    fn is_known(&self) -> bool {
        self.others.is_empty() && !self.scale.is_zero()
    }

    /// True for an amount of money.
    pub(crate) fn is_money(&self) -> bool {
        self.dimension == MONEY
    }

    /// The factor that turns a value in `other` into one in `self`; `None` when they measure different
    /// things.
    pub(crate) fn factor_from(&self, other: &Self) -> Option<BigRational> {
        if self.is_known() && other.is_known() {
            return (self.dimension == other.dimension).then(|| &other.scale / &self.scale);
        }
        let clash = self.others.iter().any(|(word, power)| {
            other.others.iter().any(|(theirs, p)| theirs == word && p != power)
        });
        let measured = self.dimension != [0; 5] && other.dimension != [0; 5];
        (!(clash || measured && self.dimension != other.dimension)).then(BigRational::one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(words: &[(&str, i32)]) -> Unit {
        let words: Vec<_> = words.iter().map(|(w, p)| ((*w).to_owned(), *p)).collect();
        Unit::from_words(&words)
    }

    #[test]
    fn sizes_are_exact() {
        let feet = unit(&[("square", 1), ("feet", 1)]);
        let inches = unit(&[("in.", 2)]);
        assert_eq!(feet.factor_from(&inches), Some(BigRational::new(1.into(), 144.into())));
    }

    #[test]
    fn different_measures_do_not_mix() {
        assert_eq!(unit(&[("cm", 1)]).factor_from(&unit(&[("cm", 2)])), None);
        assert_eq!(unit(&[("meters", 1)]).factor_from(&unit(&[("kg", 1)])), None);
        assert!(unit(&[("ways", 1)]).factor_from(&unit(&[("way", 1)])).is_some());
    }
}
