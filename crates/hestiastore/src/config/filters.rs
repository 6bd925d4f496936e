//! The chunk filters by name: which there are, and which lists of them make sense.

use std::fmt;

use super::value::{Setting, Value};

pub(crate) const MAGIC_NUMBER: &str = "magic-number";
pub(crate) const CRC32: &str = "crc32";
pub(crate) const ENCRYPTION: &str = "aes-256-gcm";

/// Every known filter, and whether this version has it.
const KNOWN: [(&str, bool); 8] = [
    (MAGIC_NUMBER, true),
    (CRC32, true),
    ("lz4", true),
    ("snappy", false),
    ("zstd", false),
    (ENCRYPTION, false),
    ("xor", false),
    ("pass-through", true),
];

/// Names of chunk filters in the order of encoding; decoding goes the other way.
///
/// Items are split at commas and trimmed, and empty ones are left out, so that a list and its text
/// are the same thing. Whether the names are known is for [`Config::validate`](super::Config::validate)
/// to say.
///
/// ```
/// use hestiastore::config::FilterNames;
///
/// let filters = FilterNames::from(["magic-number", "crc32", "lz4"]);
/// assert_eq!(filters, FilterNames::from(["magic-number, crc32, lz4"]));
/// assert_eq!(filters.iter().last(), Some("lz4"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterNames(Vec<String>);

impl FilterNames {
    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether the name is in the list.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|own| own == name)
    }

    /// What is wrong with the list, each as the end of a sentence that the knob's name begins.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.iter().take(2).eq([MAGIC_NUMBER, CRC32]) {
            problems.push(format!(
                "must begin with {MAGIC_NUMBER},{CRC32}, which are always on, not be \"{self}\""
            ));
        }
        for (position, name) in self.iter().enumerate() {
            if self.iter().take(position).any(|earlier| earlier == name) {
                problems.push(format!("must name each filter once; {name} is there again"));
            }
            match KNOWN.iter().find(|(known, _)| *known == name) {
                Some((_, true)) => {}
                Some((_, false)) => problems
                    .push(format!("must be of {}; {name} is not available in this version", available())),
                None => problems.push(format!("must be of {}; \"{name}\" is not known", available())),
            }
        }
        problems
    }
}

/// The filters of this version, separated by commas.
pub(crate) fn available() -> String {
    let names: Vec<&str> = KNOWN.iter().filter(|(_, available)| *available).map(|(name, _)| *name).collect();
    names.join(", ")
}

impl<T: AsRef<str>> FromIterator<T> for FilterNames {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut names = Vec::new();
        for item in items {
            let parts = item.as_ref().split(',').map(str::trim);
            names.extend(parts.filter(|part| !part.is_empty()).map(str::to_owned));
        }
        Self(names)
    }
}

impl<const N: usize> From<[&str; N]> for FilterNames {
    fn from(names: [&str; N]) -> Self {
        names.into_iter().collect()
    }
}

impl fmt::Display for FilterNames {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0.join(","))
    }
}

impl Setting for FilterNames {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some([text].into_iter().collect()),
            _ => None,
        }
    }
}
