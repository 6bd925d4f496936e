//! A knob's value without its type, and how the types of the groups become one and come back.

use std::time::Duration;

/// What a knob holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing: the engine chooses. Only of optional knobs.
    Auto,
    Number(u64),
    Rate(f64),
    Switch(bool),
    Nanos(u64),
    Text(String),
}

/// A type that a field of a group may have.
pub(crate) trait Setting: Sized {
    const OPTIONAL: bool = false;

    fn to_value(&self) -> Value;

    /// `None` if the value is of another type, or beyond what this type holds.
    fn from_value(value: &Value) -> Option<Self>;
}

impl Setting for u64 {
    fn to_value(&self) -> Value {
        Value::Number(*self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl Setting for u32 {
    fn to_value(&self) -> Value {
        Value::Number(u64::from(*self))
    }

    fn from_value(value: &Value) -> Option<Self> {
        u64::from_value(value).and_then(|number| u32::try_from(number).ok())
    }
}

impl Setting for f64 {
    fn to_value(&self) -> Value {
        Value::Rate(*self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Rate(rate) => Some(*rate),
            _ => None,
        }
    }
}

impl Setting for bool {
    fn to_value(&self) -> Value {
        Value::Switch(*self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Switch(on) => Some(*on),
            _ => None,
        }
    }
}

impl Setting for Duration {
    /// Durations beyond 584 years saturate; every knob's limit is far below.
    fn to_value(&self) -> Value {
        Value::Nanos(u64::try_from(self.as_nanos()).unwrap_or(u64::MAX))
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Nanos(nanos) => Some(Duration::from_nanos(*nanos)),
            _ => None,
        }
    }
}

impl<T: Setting> Setting for Option<T> {
    const OPTIONAL: bool = true;

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Auto, T::to_value)
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Auto => Some(None),
            given => T::from_value(given).map(Some),
        }
    }
}
