//! The knobs that somebody set, and nothing about the others.

use std::fmt;

use super::groups::KNOBS;
use super::knob::Knob;
use super::value::Value;
use crate::{Error, Result};

/// A list of knobs with new values, in groups for people and by name for texts.
///
/// Setting a knob again replaces its value. Values given by the group methods are checked by
/// [`Config::validate`](super::Config::validate), when the patch has been applied.
///
/// ```
/// use hestiastore::config::{Config, ConfigPatch, Durability};
///
/// let mut patch = ConfigPatch::default()
///     .write_buffer(|w| w.budget_bytes(128 << 20))
///     .log(|l| l.durability(Durability::Sync));
/// patch.set("cache.chunk_bytes", "512MiB")?;
///
/// let config = Config::default().patched(&patch);
/// assert_eq!(config.cache.chunk_bytes, 512 << 20);
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigPatch {
    given: Vec<(&'static str, Value)>,
}

impl ConfigPatch {
    /// Sets the knob `group.knob` to a value given as text.
    ///
    /// Bytes take units (`64MiB`, `4KiB`, `1_000_000`), durations need one (`100ms`, `5us`), and
    /// `auto` gives an optional knob back to the engine.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if there is no such knob, or it does not take the value; the patch is
    /// then as before.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let knob = find(name).ok_or_else(|| Error::InvalidConfig { problems: vec![unknown(name)] })?;
        let value = knob.parse(value).map_err(|problems| Error::InvalidConfig { problems })?;
        self.put(knob.name, value);
        Ok(())
    }

    /// Whether no knob was set.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    pub(super) fn with(mut self, name: &'static str, value: Value) -> Self {
        self.put(name, value);
        self
    }

    fn put(&mut self, name: &'static str, value: Value) {
        self.given.retain(|(given, _)| *given != name);
        self.given.push((name, value));
    }

    /// The knobs in the order in which they were set.
    pub(super) fn given(&self) -> impl Iterator<Item = (&'static Knob, &Value)> {
        let known = self.given.iter();
        known.filter_map(|(name, value)| Some((find(name)?, value)))
    }
}

/// `group.knob=value` for each knob, separated by spaces.
impl fmt::Display for ConfigPatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (knob, value)) in self.given().enumerate() {
            let separator = if position == 0 { "" } else { " " };
            write!(out, "{separator}{}={}", knob.name, knob.show(value))?;
        }
        Ok(())
    }
}

fn find(name: &str) -> Option<&'static Knob> {
    KNOBS.iter().find(|knob| knob.name == name)
}

/// Names the knobs of the group that was meant, or else the groups.
fn unknown(name: &str) -> String {
    let group_of = |full: &'static str| full.split('.').next().unwrap_or(full);
    let group = name.split('.').next().unwrap_or(name);
    let mut near: Vec<&str> =
        KNOBS.iter().map(|knob| knob.name).filter(|full| group_of(full) == group).collect();
    if !near.is_empty() {
        return format!("{name} is not a setting; this group has {}", near.join(", "));
    }
    near = KNOBS.iter().map(|knob| group_of(knob.name)).collect();
    near.dedup();
    format!("{name} is not a setting; the groups are {}", near.join(", "))
}
