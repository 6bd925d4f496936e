//! A stored configuration meets the settings that somebody opens the index with.

use super::filters::{ENCRYPTION, FilterNames};
use super::knob::{Knob, Reopen};
use super::value::{Setting, Value};
use super::{Config, ConfigPatch};
use crate::{Error, Result};

/// The configuration of an index that is opened with `patch`: what the patch names replaces what is
/// stored. The result is valid, and is to be stored if it differs.
///
/// # Errors
/// [`Error::InvalidConfig`] with every knob that cannot change after creation, stored and asked value
/// both; or else with the problems of the result.
pub(crate) fn merge_at_open(stored: &Config, patch: &ConfigPatch) -> Result<Config> {
    let problems: Vec<String> =
        patch.given().filter_map(|(knob, asked)| refusal(knob, &(knob.get)(stored), asked)).collect();
    if !problems.is_empty() {
        return Err(Error::InvalidConfig { problems });
    }
    let merged = stored.configured(patch);
    merged.validate()?;
    Ok(merged)
}

fn refusal(knob: &Knob, stored: &Value, asked: &Value) -> Option<String> {
    let fixed = match knob.reopen {
        Reopen::AtOpen | Reopen::NewFiles => return None,
        Reopen::NewFilesSameEncryption if encrypts(stored) == encrypts(asked) => return None,
        Reopen::NewFilesSameEncryption => "encryption can neither be added nor removed",
    };
    Some(format!(
        "{} cannot change after creation from {} to {}: {fixed}",
        knob.name,
        knob.show(stored),
        knob.show(asked)
    ))
}

fn encrypts(filters: &Value) -> bool {
    FilterNames::from_value(filters).is_some_and(|names| names.contains(ENCRYPTION))
}
