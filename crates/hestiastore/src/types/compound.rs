//! Types made of others: `()`, tuples, arrays, `Option`.
//!
//! A part that is followed by another is written as a *component*, which ends by itself. The last part
//! of a tuple, and what an `Option` holds, is written plainly when nothing follows: `(u32, String)` is
//! four bytes and the string as it is. Arrays are components throughout.
//!
//! Keys and values are written alike; so each implementation stands once, for either trait.

use super::{KeyType, ValueType, decode_error};
use crate::Result;

/// `N` items in a row.
pub(super) fn decode_items<T, const N: usize>(mut next: impl FnMut() -> Result<T>) -> Result<[T; N]> {
    let items = (0..N).map(|_| next()).collect::<Result<Vec<T>>>()?;
    let count = items.len();
    items.try_into().map_err(|_| decode_error("array", format!("expected {N} elements, found {count}")))
}

fn no_trailing(type_name: impl FnOnce() -> String, rest: &[u8]) -> Result<()> {
    match rest.len() {
        0 => Ok(()),
        count => Err(decode_error(type_name(), format!("{count} bytes follow its end"))),
    }
}

fn tuple_name(parts: &[String]) -> String {
    match parts {
        [only] => format!("({only},)"),
        _ => format!("({})", parts.join(", ")),
    }
}

macro_rules! unit {
    ($trait:ident) => {
        impl $trait for () {
            fn type_name() -> String {
                "unit".to_owned()
            }

            fn encode(&self, _: &mut Vec<u8>) {}

            fn with_encoded<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
                f(&[])
            }

            fn decode(bytes: &[u8]) -> Result<Self> {
                no_trailing(<Self as $trait>::type_name, bytes)
            }

            fn encode_component(&self, _: &mut Vec<u8>) {}

            fn decode_component(_: &mut &[u8]) -> Result<Self> {
                Ok(())
            }
        }
    };
}

macro_rules! array {
    ($trait:ident) => {
        impl<T: $trait, const N: usize> $trait for [T; N] {
            fn type_name() -> String {
                format!("[{}; {N}]", T::type_name())
            }

            fn encode(&self, out: &mut Vec<u8>) {
                <Self as $trait>::encode_component(self, out);
            }

            fn with_encoded<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
                T::with_encoded_array(self, f)
            }

            fn decode(bytes: &[u8]) -> Result<Self> {
                let mut rest = bytes;
                let items = T::decode_array(&mut rest)?;
                no_trailing(<Self as $trait>::type_name, rest)?;
                Ok(items)
            }

            fn encode_component(&self, out: &mut Vec<u8>) {
                self.iter().for_each(|item| item.encode_component(out));
            }

            fn decode_component(input: &mut &[u8]) -> Result<Self> {
                T::decode_array(input)
            }
        }
    };
}

macro_rules! option {
    ($trait:ident) => {
        impl<T: $trait> $trait for Option<T> {
            fn type_name() -> String {
                format!("option<{}>", T::type_name())
            }

            fn encode(&self, out: &mut Vec<u8>) {
                out.push(u8::from(self.is_some()));
                if let Some(value) = self {
                    value.encode(out);
                }
            }

            fn decode(bytes: &[u8]) -> Result<Self> {
                let mut rest = bytes;
                if take_presence(<Self as $trait>::type_name, &mut rest)? {
                    return T::decode(rest).map(Some);
                }
                no_trailing(<Self as $trait>::type_name, rest)?;
                Ok(None)
            }

            fn encode_component(&self, out: &mut Vec<u8>) {
                out.push(u8::from(self.is_some()));
                if let Some(value) = self {
                    value.encode_component(out);
                }
            }

            fn decode_component(input: &mut &[u8]) -> Result<Self> {
                if take_presence(<Self as $trait>::type_name, input)? {
                    return T::decode_component(input).map(Some);
                }
                Ok(None)
            }
        }
    };
}

/// The byte in front of an option: 0 for `None`, 1 for `Some`.
fn take_presence(type_name: impl FnOnce() -> String, input: &mut &[u8]) -> Result<bool> {
    let (present, rest) = match input {
        [0, rest @ ..] => (false, rest),
        [1, rest @ ..] => (true, rest),
        [] => return Err(decode_error(type_name(), "it is empty")),
        [other, ..] => {
            let detail = format!("begins with {other:02x}, neither 00 nor 01");
            return Err(decode_error(type_name(), detail));
        }
    };
    *input = rest;
    Ok(present)
}

macro_rules! tuple {
    ($trait:ident: $($part:ident $index:tt,)* ; $last:ident $last_index:tt) => {
        impl<$($part: $trait,)* $last: $trait> $trait for ($($part,)* $last,) {
            fn type_name() -> String {
                tuple_name(&[$($part::type_name(),)* $last::type_name()])
            }

            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$index.encode_component(out);)*
                self.$last_index.encode(out);
            }

            #[allow(unused_mut, reason = "a tuple of one has no component before its last")]
            fn decode(bytes: &[u8]) -> Result<Self> {
                let mut rest = bytes;
                Ok(($($part::decode_component(&mut rest)?,)* $last::decode(rest)?,))
            }

            fn encode_component(&self, out: &mut Vec<u8>) {
                $(self.$index.encode_component(out);)*
                self.$last_index.encode_component(out);
            }

            fn decode_component(input: &mut &[u8]) -> Result<Self> {
                Ok(($($part::decode_component(input)?,)* $last::decode_component(input)?,))
            }
        }
    };
}

macro_rules! compounds {
    ($trait:ident) => {
        unit!($trait);
        array!($trait);
        option!($trait);
        tuple!($trait: ; A 0);
        tuple!($trait: A 0, ; B 1);
        tuple!($trait: A 0, B 1, ; C 2);
        tuple!($trait: A 0, B 1, C 2, ; D 3);
        tuple!($trait: A 0, B 1, C 2, D 3, ; E 4);
        tuple!($trait: A 0, B 1, C 2, D 3, E 4, ; F 5);
    };
}

compounds!(KeyType);
compounds!(ValueType);
