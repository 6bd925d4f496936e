//! Types that always take the same number of bytes: numbers, `bool`, `char`.
//!
//! Unsigned integers are big-endian. Signed ones have their sign bit flipped, so that negative
//! numbers come first. Floats: positive ones have the sign bit set, negative ones all bits flipped,
//! which is the IEEE 754 `totalOrder`.

use super::{KeyType, decode_error};
use crate::{Error, Result};

fn wrong_length(name: &str, expected: usize, found: usize) -> Error {
    decode_error(name, format!("expected {expected} bytes, found {found}"))
}

/// `$to` gives the bytes of a value, `$from` the value of bytes that are one.
macro_rules! fixed_width {
    ($type:ty, $name:literal, $width:literal, $to:expr, $from:expr) => {
        impl KeyType for $type {
            fn type_name() -> String {
                $name.to_owned()
            }

            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&$to(*self));
            }

            fn with_encoded<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
                f(&$to(*self))
            }

            fn decode(bytes: &[u8]) -> Result<Self> {
                let exact: [u8; $width] =
                    bytes.try_into().map_err(|_| wrong_length($name, $width, bytes.len()))?;
                $from(exact).ok_or_else(|| decode_error($name, format!("found {exact:02x?}")))
            }

            fn encode_component(&self, out: &mut Vec<u8>) {
                KeyType::encode(self, out);
            }

            fn decode_component(input: &mut &[u8]) -> Result<Self> {
                let (head, rest) =
                    input.split_at_checked($width).ok_or_else(|| wrong_length($name, $width, input.len()))?;
                *input = rest;
                <Self as KeyType>::decode(head)
            }

            fn decode_array<const N: usize>(input: &mut &[u8]) -> Result<[Self; N]> {
                let mut items = [<$type>::default(); N];
                for item in &mut items {
                    *item = <Self as KeyType>::decode_component(input)?;
                }
                Ok(items)
            }
        }
    };
}

macro_rules! unsigned {
    ($type:ident, $name:literal, $width:literal) => {
        fixed_width!($type, $name, $width, $type::to_be_bytes, |bytes| { Some($type::from_be_bytes(bytes)) });
    };
}

macro_rules! signed {
    ($type:ident, $name:literal, $width:literal) => {
        fixed_width!($type, $name, $width, |value: $type| (value ^ $type::MIN).to_be_bytes(), |bytes| Some(
            $type::from_be_bytes(bytes) ^ $type::MIN
        ));
    };
}

macro_rules! float {
    ($type:ident, $name:literal, $width:literal, $bits:ident) => {
        fixed_width!(
            $type,
            $name,
            $width,
            |value: $type| {
                let bits = value.to_bits();
                let sign = $bits::MAX ^ ($bits::MAX >> 1);
                let ordered = if bits & sign == 0 { bits ^ sign } else { !bits };
                ordered.to_be_bytes()
            },
            |bytes| {
                let ordered = $bits::from_be_bytes(bytes);
                let sign = $bits::MAX ^ ($bits::MAX >> 1);
                let bits = if ordered & sign == 0 { !ordered } else { ordered ^ sign };
                Some($type::from_bits(bits))
            }
        );
    };
}

unsigned!(u16, "u16", 2);
unsigned!(u32, "u32", 4);
unsigned!(u64, "u64", 8);
unsigned!(u128, "u128", 16);
signed!(i8, "i8", 1);
signed!(i16, "i16", 2);
signed!(i32, "i32", 4);
signed!(i64, "i64", 8);
signed!(i128, "i128", 16);
float!(f32, "f32", 4, u32);
float!(f64, "f64", 8, u64);

fixed_width!(bool, "bool", 1, |value| [u8::from(value)], |bytes: [u8; 1]| match bytes {
    [0] => Some(false),
    [1] => Some(true),
    _ => None,
});

fixed_width!(char, "char", 4, |value| u32::from(value).to_be_bytes(), |bytes| char::from_u32(
    u32::from_be_bytes(bytes)
));

// By hand, because an array of bytes is its own encoding.
impl KeyType for u8 {
    fn type_name() -> String {
        "u8".to_owned()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn with_encoded<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&[*self])
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes {
            [byte] => Ok(*byte),
            _ => Err(wrong_length("u8", 1, bytes.len())),
        }
    }

    fn encode_component(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn decode_component(input: &mut &[u8]) -> Result<Self> {
        let (head, rest) = input.split_first().ok_or_else(|| wrong_length("u8", 1, 0))?;
        *input = rest;
        Ok(*head)
    }

    fn with_encoded_array<const N: usize, R>(array: &[u8; N], f: impl FnOnce(&[u8]) -> R) -> R {
        f(array)
    }

    fn decode_array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N]> {
        let (head, rest) = input
            .split_first_chunk::<N>()
            .ok_or_else(|| wrong_length(&<[u8; N] as KeyType>::type_name(), N, input.len()))?;
        *input = rest;
        Ok(*head)
    }
}
