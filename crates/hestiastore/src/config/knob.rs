//! One row of the table of knobs: what is allowed, and the way from a text to a value and back.

use std::fmt;

use super::Config;
use super::filters::{self, FilterNames};
use super::text;
use super::value::{Setting, Value};

/// What a new value means for an index that exists.
///
/// ```
/// use hestiastore::config::Reopen;
///
/// assert_eq!(Reopen::NewFiles.to_string(), "for files written from then on");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reopen {
    /// It holds from the next open on.
    AtOpen,
    /// It holds for files that are written after the next open; files that exist say themselves how
    /// they were written, and are replaced over time.
    NewFiles,
    /// As [`Reopen::NewFiles`], but encryption can neither be added nor removed: older files and logs
    /// would stay readable, or stay secret while the key is given up.
    NewFilesSameEncryption,
}

impl fmt::Display for Reopen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Reopen::AtOpen => "from the next open on",
            Reopen::NewFiles => "for files written from then on",
            Reopen::NewFilesSameEncryption => "for files written from then on; encryption stays as created",
        })
    }
}

/// A knob with its present value, for people.
///
/// ```
/// use hestiastore::config::Config;
///
/// for knob in Config::default().knobs() {
///     println!("{}={}  # {} ({})", knob.name, knob.value, knob.doc, knob.allowed);
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KnobInfo {
    /// `group.knob`.
    pub name: &'static str,
    /// The present value, as `set` reads it.
    pub value: String,
    /// The default, as `set` reads it.
    pub default: String,
    /// Which values are allowed.
    pub allowed: String,
    /// What a change at reopening means.
    pub reopen: Reopen,
    /// What it does, in one line.
    pub doc: &'static str,
}

/// What a knob holds and which values are allowed.
#[derive(Debug)]
pub(crate) enum Kind {
    Bytes { min: u64, max: u64, multiple_of: u64 },
    Count { min: u64, max: u64 },
    Rate,
    Switch,
    Time { min_nanos: u64, max_nanos: u64 },
    Choice(&'static [&'static str]),
    Filters,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Knob {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    /// On disk, with the critical bit.
    pub(crate) tag: u16,
    pub(crate) optional: bool,
    pub(crate) kind: Kind,
    pub(crate) reopen: Reopen,
    pub(crate) get: fn(&Config) -> Value,
    /// False if the value is not of the field's type; the field is then as before.
    pub(crate) set: fn(&mut Config, &Value) -> bool,
}

pub(crate) const AUTO: &str = "auto";

impl Knob {
    pub(crate) fn info(&self, config: &Config, defaults: &Config) -> KnobInfo {
        KnobInfo {
            name: self.name,
            value: self.show(&(self.get)(config)),
            default: self.show(&(self.get)(defaults)),
            allowed: self.allowed(),
            reopen: self.reopen,
            doc: self.doc.trim(),
        }
    }

    pub(crate) fn show(&self, value: &Value) -> String {
        match value {
            Value::Auto => AUTO.to_owned(),
            Value::Number(number) => match self.kind {
                Kind::Bytes { .. } => text::show_bytes(*number),
                _ => number.to_string(),
            },
            Value::Rate(rate) => rate.to_string(),
            Value::Switch(on) => on.to_string(),
            Value::Nanos(nanos) => text::show_nanos(*nanos),
            Value::Text(text) => text.clone(),
        }
    }

    /// Reads what a person wrote; the error is a whole sentence.
    pub(crate) fn parse(&self, given: &str) -> Result<Value, Vec<String>> {
        let given = given.trim();
        let value = match self.kind {
            _ if self.optional && given == AUTO => Some(Value::Auto),
            Kind::Bytes { .. } => text::parse_bytes(given).map(Value::Number),
            Kind::Count { .. } => text::parse_count(given).map(Value::Number),
            Kind::Rate => given.parse().ok().map(Value::Rate),
            Kind::Switch => given.parse().ok().map(Value::Switch),
            Kind::Time { .. } => text::parse_nanos(given).map(Value::Nanos),
            Kind::Choice(_) => Some(Value::Text(given.to_owned())),
            Kind::Filters => Some([given].iter().collect::<FilterNames>().to_value()),
        };
        let Some(value) = value else {
            return Err(vec![self.refusal(&format!("{given:?}"))]);
        };
        match self.problems(&value) {
            none if none.is_empty() => Ok(value),
            problems => Err(problems),
        }
    }

    /// What is wrong with a value, each a whole sentence that begins with the knob's name.
    pub(crate) fn problems(&self, value: &Value) -> Vec<String> {
        let allowed = match (&self.kind, value) {
            (_, Value::Auto) => self.optional,
            (Kind::Bytes { min, max, multiple_of }, Value::Number(bytes)) => {
                (min..=max).contains(&bytes) && bytes.is_multiple_of(*multiple_of)
            }
            (Kind::Count { min, max }, Value::Number(count)) => (min..=max).contains(&count),
            (Kind::Rate, Value::Rate(rate)) => 0.0 < *rate && *rate < 1.0,
            (Kind::Switch, Value::Switch(_)) => true,
            (Kind::Time { min_nanos, max_nanos }, Value::Nanos(nanos)) => {
                (min_nanos..=max_nanos).contains(&nanos)
            }
            (Kind::Choice(names), Value::Text(text)) => names.contains(&text.as_str()),
            (Kind::Filters, Value::Text(text)) => {
                let problems = [text].into_iter().collect::<FilterNames>().problems();
                let named = problems.iter().map(|rest| format!("{} {rest}", self.name));
                return named.collect();
            }
            _ => false,
        };
        if allowed { Vec::new() } else { vec![self.refusal(&self.show(value))] }
    }

    fn refusal(&self, given: &str) -> String {
        let example = match self.kind {
            Kind::Bytes { .. } => " (as in 64MiB, 4KiB or 1_000_000)",
            Kind::Time { .. } => " (as in 100ms or 5us)",
            _ => "",
        };
        format!("{} must be {}{example}, not {given}", self.name, self.allowed())
    }

    pub(crate) fn allowed(&self) -> String {
        let given = match self.kind {
            Kind::Bytes { min, max, multiple_of } => {
                let range = format!("{} to {}", text::show_bytes(min), text::show_bytes(max));
                match multiple_of {
                    1 => range,
                    _ => format!("{range}, a multiple of {}", text::show_bytes(multiple_of)),
                }
            }
            Kind::Count { min, max } => format!("{min} to {max}"),
            Kind::Rate => "more than 0 and less than 1".to_owned(),
            Kind::Switch => "true or false".to_owned(),
            Kind::Time { min_nanos, max_nanos } => {
                let (min, max) = (text::show_nanos(min_nanos), text::show_nanos(max_nanos));
                format!("{min} to {max}")
            }
            Kind::Choice(names) => match names.split_last() {
                Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                None => String::new(),
            },
            Kind::Filters => format!("a list of {}", filters::available()),
        };
        if self.optional { format!("{AUTO}, or {given}") } else { given }
    }
}
