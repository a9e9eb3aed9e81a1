//! Saving and taking up a rule's state as JSON.
//!
//! # Invariants
//! - The round trip through text is exact for every finite number (`serde_json` with `float_roundtrip`).

use e2h_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// `state` as JSON. The states of this crate are plain tables of finite numbers, which always serialise.
pub(crate) fn save<T: Serialize>(state: &T) -> Value {
    serde_json::to_value(state).unwrap_or(Value::Null)
}

/// Reads a saved state of `owner`, refused when `fits` says that it is not one of this rule.
pub(crate) fn load<T: DeserializeOwned>(
    owner: &str,
    state: &Value,
    fits: impl FnOnce(&T) -> bool,
) -> Result<T> {
    let bad = |problem: String| Error::BadState { owner: owner.to_owned(), problem };
    let loaded = T::deserialize(state).map_err(|error| bad(error.to_string()))?;
    if fits(&loaded) {
        Ok(loaded)
    } else {
        Err(bad("it is of another number of levels, or out of range".to_owned()))
    }
}
