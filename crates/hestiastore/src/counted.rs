//! Numbers of things, in messages.

use std::fmt;

/// A number and what it counts, as one and as several: "1 entry", "2 entries".
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted(pub(crate) u64, pub(crate) &'static str, pub(crate) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, one, several) = *self;
        write!(f, "{count} {}", if count == 1 { one } else { several })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_all_else_is_several() {
        let shown = [0, 1, 2].map(|count| Counted(count, "entry", "entries").to_string());
        assert_eq!(shown, ["0 entries", "1 entry", "2 entries"]);
    }
}
