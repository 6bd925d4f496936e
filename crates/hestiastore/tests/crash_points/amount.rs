//! How much is tried, as the environment says.

use crate::script::Script;

/// How much is tried.
#[derive(Debug, Clone)]
pub enum Amount {
    /// What takes less than a minute.
    Small,
    /// Everything.
    Full,
    /// One script.
    One(Script),
}

impl Amount {
    pub fn from_environment() -> Self {
        if let Ok(script) = std::env::var("HESTIA_CRASH_SCRIPT") {
            return Self::One(script.parse().unwrap());
        }
        match std::env::var("HESTIA_CRASH").as_deref() {
            Ok("full") => Self::Full,
            Ok(other) => panic!("HESTIA_CRASH={other}: only `full` means anything"),
            Err(_) => Self::Small,
        }
    }

    /// The recovery of each so-many-th image is crashed again.
    pub fn second_crash_of_each(&self) -> usize {
        let asked = std::env::var("HESTIA_CRASH_SECOND").ok().map(|number| number.parse().unwrap());
        asked.unwrap_or(match self {
            Amount::Small => 24,
            Amount::Full => 12,
            Amount::One(_) => 1,
        })
    }
}
