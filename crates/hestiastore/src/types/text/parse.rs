//! From text to an encoding. Errors are sentences without a subject of their own.

use std::str::FromStr;

use super::names::{Scalar, Shape};
use super::{KeyType, excerpt, quoted};
use crate::types::escape;

type Parsed<T> = Result<T, String>;

pub(super) fn whole(shape: &Shape, text: &[u8]) -> Parsed<Vec<u8>> {
    match shape {
        Shape::Bytes | Shape::Raw => return Ok(text.to_vec()),
        Shape::String => return Ok(utf8(text)?.as_bytes().to_vec()),
        Shape::Scalar(Scalar::Char) => return one_char(text).map(encoded),
        _ => {}
    }
    let mut input = text;
    let mut out = Vec::new();
    parse(shape, &mut input, true, &mut out)?;
    match input.trim_ascii() {
        [] => Ok(out),
        rest => Err(format!("{} follows its end", excerpt(rest))),
    }
}

/// Reads one value from the front of `input`. The last one is written without an end mark.
fn parse(shape: &Shape, input: &mut &[u8], last: bool, out: &mut Vec<u8>) -> Parsed<()> {
    match shape {
        Shape::Scalar(scalar) => parse_scalar(*scalar, input, out),
        Shape::Unit => {
            expect(input, b"(")?;
            expect(input, b")")
        }
        Shape::String => {
            expect(input, b"\"")?;
            let bytes = quoted::read(input, b'"')?;
            put_bytes(utf8(&bytes)?.as_bytes(), last, out);
            Ok(())
        }
        Shape::Bytes | Shape::Raw => {
            expect(input, b"b\"")?;
            put_bytes(&quoted::read(input, b'"')?, last, out);
            Ok(())
        }
        Shape::Option(inner) => {
            if skip(input, b"none") {
                out.push(0);
                return Ok(());
            }
            if !skip(input, b"some") {
                return Err(expected("none or some(...)", input));
            }
            out.push(1);
            expect(input, b"(")?;
            parse(inner, input, last, out)?;
            expect(input, b")")
        }
        Shape::Tuple(parts) => {
            expect(input, b"(")?;
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    expect(input, b",")?;
                }
                parse(part, input, last && index + 1 == parts.len(), out)?;
            }
            if parts.len() == 1 {
                expect(input, b",")?;
            }
            expect(input, b")")
        }
        Shape::Array(element, length) if **element == Shape::Scalar(Scalar::U8) => {
            parse_hex(*length, input, out)
        }
        Shape::Array(element, length) => {
            expect(input, b"[")?;
            for index in 0..*length {
                if index > 0 {
                    expect(input, b",")?;
                }
                parse(element, input, false, out)?;
            }
            expect(input, b"]")
        }
    }
}

fn put_bytes(bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    match last {
        true => out.extend_from_slice(bytes),
        false => escape::write(bytes, out),
    }
}

fn parse_hex(length: usize, input: &mut &[u8], out: &mut Vec<u8>) -> Parsed<()> {
    expect(input, b"0x")?;
    let digits = token(input);
    let (pairs, odd) = digits.as_chunks::<2>();
    if pairs.len() != length || !odd.is_empty() {
        return Err(format!("{length} bytes take two hexadecimal digits each, not {} in all", digits.len()));
    }
    for pair in pairs {
        let byte =
            quoted::hex_pair(pair).ok_or_else(|| format!("{} are no hexadecimal digits", excerpt(pair)))?;
        out.push(byte);
    }
    Ok(())
}

fn parse_scalar(scalar: Scalar, input: &mut &[u8], out: &mut Vec<u8>) -> Parsed<()> {
    match scalar {
        Scalar::U8 => parse_number::<u8>(scalar, input, out),
        Scalar::U16 => parse_number::<u16>(scalar, input, out),
        Scalar::U32 => parse_number::<u32>(scalar, input, out),
        Scalar::U64 => parse_number::<u64>(scalar, input, out),
        Scalar::U128 => parse_number::<u128>(scalar, input, out),
        Scalar::I8 => parse_number::<i8>(scalar, input, out),
        Scalar::I16 => parse_number::<i16>(scalar, input, out),
        Scalar::I32 => parse_number::<i32>(scalar, input, out),
        Scalar::I64 => parse_number::<i64>(scalar, input, out),
        Scalar::I128 => parse_number::<i128>(scalar, input, out),
        Scalar::Bool => parse_number::<bool>(scalar, input, out),
        Scalar::F32 => match nan_bits(input)? {
            Some(bits) => {
                let value = u32::try_from(bits).ok().map(f32::from_bits);
                put_nan(value.filter(|value| value.is_nan()), out)
            }
            None => parse_number::<f32>(scalar, input, out),
        },
        Scalar::F64 => match nan_bits(input)? {
            Some(bits) => {
                let value = Some(f64::from_bits(bits));
                put_nan(value.filter(|value| value.is_nan()), out)
            }
            None => parse_number::<f64>(scalar, input, out),
        },
        Scalar::Char => {
            expect(input, b"'")?;
            let char = one_char(&quoted::read(input, b'\'')?)?;
            KeyType::encode(&char, out);
            Ok(())
        }
    }
}

fn parse_number<T: KeyType + FromStr>(scalar: Scalar, input: &mut &[u8], out: &mut Vec<u8>) -> Parsed<()> {
    let token = token(input);
    let number = std::str::from_utf8(token).ok().and_then(|text| text.parse::<T>().ok());
    let number = number.ok_or_else(|| format!("{} is no {}", excerpt(token), scalar.name()))?;
    number.encode(out);
    Ok(())
}

/// The bits of a NaN other than the usual one.
fn nan_bits(input: &mut &[u8]) -> Parsed<Option<u64>> {
    if !skip(input, b"NaN:") {
        return Ok(None);
    }
    let digits = token(input);
    let text = std::str::from_utf8(digits).unwrap_or_default();
    match u64::from_str_radix(text, 16) {
        Ok(bits) => Ok(Some(bits)),
        Err(_) => Err(format!("{} are no hexadecimal digits", excerpt(digits))),
    }
}

fn put_nan<T: KeyType>(nan: Option<T>, out: &mut Vec<u8>) -> Parsed<()> {
    nan.ok_or("the bits after \"NaN:\" are not those of a NaN")?.encode(out);
    Ok(())
}

fn encoded(key: impl KeyType) -> Vec<u8> {
    let mut out = Vec::new();
    key.encode(&mut out);
    out
}

fn one_char(text: &[u8]) -> Parsed<char> {
    let mut chars = utf8(text)?.chars();
    match (chars.next(), chars.next()) {
        (Some(char), None) => Ok(char),
        _ => Err("exactly one character is expected".to_owned()),
    }
}

fn utf8(bytes: &[u8]) -> Parsed<&str> {
    std::str::from_utf8(bytes).map_err(|error| error.to_string())
}

/// Takes what stands before the next delimiter, without the white space before it.
fn token<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let text = input.trim_ascii_start();
    let is_delimiter = |byte: &u8| b"()[]<>,;\"'".contains(byte) || byte.is_ascii_whitespace();
    let end = text.iter().position(is_delimiter).unwrap_or(text.len());
    let (token, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    *input = rest;
    token
}

/// Takes `mark`, and the white space before it, if it comes next.
fn skip(input: &mut &[u8], mark: &[u8]) -> bool {
    match input.trim_ascii_start().strip_prefix(mark) {
        Some(rest) => {
            *input = rest;
            true
        }
        None => false,
    }
}

fn expect(input: &mut &[u8], mark: &[u8]) -> Parsed<()> {
    match skip(input, mark) {
        true => Ok(()),
        false => Err(expected(&mark.escape_ascii().to_string(), input)),
    }
}

fn expected(what: &str, input: &[u8]) -> String {
    match input.trim_ascii_start() {
        [] => format!("it ends where {what} is expected"),
        rest => format!("{what} is expected before {}", excerpt(rest)),
    }
}
