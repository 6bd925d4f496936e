//! From an encoding to text.

use std::fmt::{Debug, Display};

use super::names::{Scalar, Shape};
use super::{KeyType, decode_error, quoted};
use crate::Result;
use crate::types::escape;

pub(super) fn whole(shape: &Shape, encoded: &[u8], out: &mut Vec<u8>) -> Result<()> {
    match shape {
        Shape::Bytes | Shape::Raw => out.extend_from_slice(encoded),
        Shape::String => out.extend_from_slice(utf8(encoded)?.as_bytes()),
        Shape::Scalar(Scalar::Char) => {
            let char = <char as KeyType>::decode(encoded)?;
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
        _ => {
            let mut input = encoded;
            write(shape, &mut input, true, out)?;
            if !input.is_empty() {
                let detail = format!("{} bytes follow its end", input.len());
                return Err(decode_error(shape.to_string(), detail));
            }
        }
    }
    Ok(())
}

/// Reads one value from the front of `input`. The last one has no end mark; it takes what is there.
fn write(shape: &Shape, input: &mut &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
    match shape {
        Shape::Scalar(scalar) => write_scalar(*scalar, input, out),
        Shape::Unit => {
            out.extend_from_slice(b"()");
            Ok(())
        }
        Shape::String | Shape::Bytes | Shape::Raw => write_quoted(shape, input, last, out),
        Shape::Option(inner) => {
            let (present, rest) = match input {
                [0, rest @ ..] => (false, rest),
                [1, rest @ ..] => (true, rest),
                _ => {
                    return Err(decode_error(shape.to_string(), "expected 00 or 01 before it"));
                }
            };
            *input = rest;
            if !present {
                out.extend_from_slice(b"none");
                return Ok(());
            }
            out.extend_from_slice(b"some(");
            write(inner, input, last, out)?;
            out.push(b')');
            Ok(())
        }
        Shape::Tuple(parts) => {
            for (index, part) in parts.iter().enumerate() {
                out.extend_from_slice(if index == 0 { b"(" } else { b", " });
                write(part, input, last && index + 1 == parts.len(), out)?;
            }
            out.extend_from_slice(if parts.len() == 1 { b",)" } else { b")" });
            Ok(())
        }
        Shape::Array(element, length) if **element == Shape::Scalar(Scalar::U8) => {
            write_hex(shape, *length, input, out)
        }
        Shape::Array(element, length) => {
            out.push(b'[');
            for index in 0..*length {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                write(element, input, false, out)?;
            }
            out.push(b']');
            Ok(())
        }
    }
}

fn write_quoted(shape: &Shape, input: &mut &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
    let bytes = match last {
        true => std::mem::take(input).into(),
        false => escape::read(input).map_err(|detail| decode_error(shape.to_string(), detail))?,
    };
    match shape {
        Shape::String => quoted::write_text(utf8(&bytes)?, '"', out),
        _ => {
            out.push(b'b');
            quoted::write_bytes(&bytes, out);
        }
    }
    Ok(())
}

fn write_hex(shape: &Shape, length: usize, input: &mut &[u8], out: &mut Vec<u8>) -> Result<()> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (bytes, rest) = input
        .split_at_checked(length)
        .ok_or_else(|| decode_error(shape.to_string(), format!("only {} bytes are there", input.len())))?;
    *input = rest;
    out.extend_from_slice(b"0x");
    for byte in bytes {
        out.extend([byte >> 4, byte & 0xf].map(|digit| DIGITS[usize::from(digit)]));
    }
    Ok(())
}

fn write_scalar(scalar: Scalar, input: &mut &[u8], out: &mut Vec<u8>) -> Result<()> {
    match scalar {
        Scalar::U8 => write_displayed::<u8>(input, out),
        Scalar::U16 => write_displayed::<u16>(input, out),
        Scalar::U32 => write_displayed::<u32>(input, out),
        Scalar::U64 => write_displayed::<u64>(input, out),
        Scalar::U128 => write_displayed::<u128>(input, out),
        Scalar::I8 => write_displayed::<i8>(input, out),
        Scalar::I16 => write_displayed::<i16>(input, out),
        Scalar::I32 => write_displayed::<i32>(input, out),
        Scalar::I64 => write_displayed::<i64>(input, out),
        Scalar::I128 => write_displayed::<i128>(input, out),
        Scalar::Bool => write_displayed::<bool>(input, out),
        Scalar::F32 => {
            let value = <f32 as KeyType>::decode_component(input)?;
            let other = value.is_nan() && value.to_bits() != f32::NAN.to_bits();
            write_float(value, other.then(|| format!("{:08x}", value.to_bits())), out);
            Ok(())
        }
        Scalar::F64 => {
            let value = <f64 as KeyType>::decode_component(input)?;
            let other = value.is_nan() && value.to_bits() != f64::NAN.to_bits();
            write_float(value, other.then(|| format!("{:016x}", value.to_bits())), out);
            Ok(())
        }
        Scalar::Char => {
            let char = <char as KeyType>::decode_component(input)?;
            quoted::write_text(char.encode_utf8(&mut [0; 4]), '\'', out);
            Ok(())
        }
    }
}

fn write_displayed<T: KeyType + Display>(input: &mut &[u8], out: &mut Vec<u8>) -> Result<()> {
    let value = T::decode_component(input)?;
    out.extend_from_slice(value.to_string().as_bytes());
    Ok(())
}

/// `Debug` gives the shortest digits that read back the same, with an exponent where they would be many.
fn write_float(value: impl Debug, other_nan_bits: Option<String>, out: &mut Vec<u8>) {
    let text = match other_nan_bits {
        Some(bits) => format!("NaN:{bits}"),
        None => format!("{value:?}"),
    };
    out.extend_from_slice(text.as_bytes());
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| decode_error("string", error.to_string()))
}
