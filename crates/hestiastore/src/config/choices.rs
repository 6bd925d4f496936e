//! Knobs that are one word of a few.

use std::fmt;

use super::value::{Setting, Value};

/// When a write is safe, and from what.
///
/// Ordered from the weakest to the strongest. A batch may ask for more than its index, never for
/// less.
///
/// ```
/// use hestiastore::config::Durability;
///
/// assert!(Durability::Sync > Durability::Buffered);
/// assert_eq!(Durability::GroupSync.to_string(), "group-sync");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// No log. Writes are safe after `flush_and_wait` and `close`.
    Off,
    /// Logged. Writes survive the death of the process at once, and a power cut after the next
    /// background sync (`log.sync_interval`).
    Buffered,
    /// Logged and synced before a write returns, sharing the sync with others. May wait for company
    /// for `log.group_delay`.
    GroupSync,
    /// Logged and synced before a write returns, at once.
    Sync,
}

impl Durability {
    pub(crate) const ALL: [Self; 4] = [Self::Off, Self::Buffered, Self::GroupSync, Self::Sync];
    pub(crate) const NAMES: &[&str] = &["off", "buffered", "group-sync", "sync"];

    /// The name in texts: `off`, `buffered`, `group-sync` or `sync`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Buffered => "buffered",
            Self::GroupSync => "group-sync",
            Self::Sync => "sync",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl Setting for Durability {
    fn to_value(&self) -> Value {
        Value::Text(self.name().to_owned())
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Self::ALL.into_iter().find(|mode| mode.name() == text),
            _ => None,
        }
    }
}

/// How log bytes reach the operating system.
///
/// ```
/// use hestiastore::config::LogIo;
///
/// assert_eq!(LogIo::Written.to_string(), "written");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogIo {
    /// By positioned writes. Works on every file system.
    Written,
    /// By copies into a mapping of the file, where that is known to be safe: on Linux, on ext4, xfs and tmpfs.
    /// Elsewhere as `Written`.
    Mapped,
}

impl LogIo {
    pub(crate) const ALL: [Self; 2] = [Self::Written, Self::Mapped];
    pub(crate) const NAMES: &[&str] = &["written", "mapped"];

    /// The name in texts: `written` or `mapped`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Mapped => "mapped",
        }
    }
}

impl fmt::Display for LogIo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl Setting for LogIo {
    fn to_value(&self) -> Value {
        Value::Text(self.name().to_owned())
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Self::ALL.into_iter().find(|io| io.name() == text),
            _ => None,
        }
    }
}
