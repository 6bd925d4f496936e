//! Type names: their grammar, read and written.
//!
//! ```text
//! name  = plain | "(" name ",)" | "(" name {", " name} ")" | "[" name "; " length "]" | "option<" name ">"
//! plain = "u8" | ... | "string" | "bytes" | "unit" | "*"
//! ```
//!
//! Only the canonical form, with the spaces as above, is a name.

use std::fmt;

use super::excerpt;
use crate::{Error, Result};

/// Deeper nesting is refused, so that recursion over a shape is bounded.
pub(super) const DEPTH_MAX: usize = 16;
const TUPLE_PARTS_MAX: usize = 6;

/// What is persisted under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar(Scalar),
    String,
    Bytes,
    /// As bytes, under the name that stands for every type.
    Raw,
    Unit,
    /// Invariant: an element takes at least one byte, so that the input bounds the work.
    Array(Box<Shape>, usize),
    /// Invariant: one to [`TUPLE_PARTS_MAX`] parts.
    Tuple(Vec<Shape>),
    Option(Box<Shape>),
}

/// Types of fixed width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    U8,
    U16,
    U32,
    U64,
    U128,
    I8,
    I16,
    I32,
    I64,
    I128,
    F32,
    F64,
    Bool,
    Char,
}

const SCALARS: [(&str, Scalar); 14] = [
    ("u8", Scalar::U8),
    ("u16", Scalar::U16),
    ("u32", Scalar::U32),
    ("u64", Scalar::U64),
    ("u128", Scalar::U128),
    ("i8", Scalar::I8),
    ("i16", Scalar::I16),
    ("i32", Scalar::I32),
    ("i64", Scalar::I64),
    ("i128", Scalar::I128),
    ("f32", Scalar::F32),
    ("f64", Scalar::F64),
    ("bool", Scalar::Bool),
    ("char", Scalar::Char),
];

impl Scalar {
    pub(super) fn name(self) -> &'static str {
        let named = SCALARS.iter().find(|(_, scalar)| *scalar == self);
        named.map_or("?", |(name, _)| name)
    }
}

impl Shape {
    /// Whether a component of this shape may take no bytes at all.
    fn may_be_empty(&self) -> bool {
        match self {
            Shape::Unit | Shape::Array(_, 0) => true,
            Shape::Tuple(parts) => parts.iter().all(Shape::may_be_empty),
            _ => false,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Scalar(scalar) => formatter.write_str(scalar.name()),
            Shape::String => formatter.write_str("string"),
            Shape::Bytes => formatter.write_str("bytes"),
            Shape::Raw => formatter.write_str("*"),
            Shape::Unit => formatter.write_str("unit"),
            Shape::Array(element, length) => write!(formatter, "[{element}; {length}]"),
            Shape::Option(inner) => write!(formatter, "option<{inner}>"),
            Shape::Tuple(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    formatter.write_str(if index == 0 { "(" } else { ", " })?;
                    part.fmt(formatter)?;
                }
                formatter.write_str(if parts.len() == 1 { ",)" } else { ")" })
            }
        }
    }
}

pub(super) fn parse(name: &str) -> Result<Shape> {
    let mut rest = name;
    let shape = parse_name(&mut rest, DEPTH_MAX).and_then(|shape| match rest {
        "" => Ok(shape),
        _ => Err(format!("{} follows its end", excerpt(rest.as_bytes()))),
    });
    shape.map_err(|detail| Error::InvalidText {
        expected: "name of a built-in type".to_owned(),
        detail: format!("{detail}, in {}", excerpt(name.as_bytes())),
    })
}

/// Reads one name from the front of `rest`.
fn parse_name(rest: &mut &str, depth: usize) -> Result<Shape, String> {
    let depth = depth.checked_sub(1).ok_or_else(|| format!("nested more than {DEPTH_MAX} deep"))?;
    if skip(rest, "(") {
        return parse_tuple(rest, depth);
    }
    if skip(rest, "[") {
        return parse_array(rest, depth);
    }
    if skip(rest, "option<") {
        let inner = parse_name(rest, depth)?;
        expect(rest, ">")?;
        return Ok(Shape::Option(Box::new(inner)));
    }
    parse_plain(rest)
}

fn parse_plain(rest: &mut &str) -> Result<Shape, String> {
    let word = word(rest);
    let shape = match word {
        "string" => Shape::String,
        "bytes" => Shape::Bytes,
        "unit" => Shape::Unit,
        "*" => Shape::Raw,
        _ => match SCALARS.iter().find(|(name, _)| *name == word) {
            Some((_, scalar)) => Shape::Scalar(*scalar),
            None => return Err(unknown(word)),
        },
    };
    Ok(shape)
}

fn unknown(word: &str) -> String {
    let scalars: Vec<&str> = SCALARS.iter().map(|(name, _)| *name).collect();
    format!(
        "{} is not known here; it may be a program's own type. Known are {}, string, bytes, unit, *, \
         and (T, T), [T; N], option<T> of these",
        excerpt(word.as_bytes()),
        scalars.join(", ")
    )
}

fn parse_tuple(rest: &mut &str, depth: usize) -> Result<Shape, String> {
    let mut parts = vec![parse_name(rest, depth)?];
    if skip(rest, ",)") {
        return Ok(Shape::Tuple(parts));
    }
    while skip(rest, ", ") {
        parts.push(parse_name(rest, depth)?);
        if parts.len() > TUPLE_PARTS_MAX {
            return Err(format!("a tuple has more than {TUPLE_PARTS_MAX} parts"));
        }
    }
    if parts.len() == 1 {
        return Err("a tuple of one is written (T,)".to_owned());
    }
    expect(rest, ")")?;
    Ok(Shape::Tuple(parts))
}

fn parse_array(rest: &mut &str, depth: usize) -> Result<Shape, String> {
    let element = parse_name(rest, depth)?;
    expect(rest, "; ")?;
    let digits = word(rest);
    let length = digits
        .parse::<usize>()
        .ok()
        .filter(|length| length.to_string() == digits)
        .ok_or_else(|| format!("{} is no array length", excerpt(digits.as_bytes())))?;
    expect(rest, "]")?;
    if length > 0 && element.may_be_empty() {
        return Err(format!("arrays of {element}, which takes no bytes, have no text form"));
    }
    Ok(Shape::Array(Box::new(element), length))
}

/// Takes what stands before the next punctuation mark.
fn word<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find(['(', ')', '[', ']', '<', '>', ',', ';', ' ']);
    let (word, behind) = end.and_then(|end| rest.split_at_checked(end)).unwrap_or((rest, ""));
    *rest = behind;
    word
}

fn skip(rest: &mut &str, token: &str) -> bool {
    match rest.strip_prefix(token) {
        Some(behind) => {
            *rest = behind;
            true
        }
        None => false,
    }
}

fn expect(rest: &mut &str, token: &str) -> Result<(), String> {
    match skip(rest, token) {
        true => Ok(()),
        false if rest.is_empty() => Err(format!("it ends where \"{token}\" is expected")),
        false => Err(format!("\"{token}\" is expected before {}", excerpt(rest.as_bytes()))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::TypeDescriptor;
    use super::*;
    use crate::types::{KeyType, Raw};

    #[test]
    fn names_of_typed_keys_are_read_and_written_alike() {
        let names = [
            u8::type_name(),
            i128::type_name(),
            f64::type_name(),
            bool::type_name(),
            char::type_name(),
            String::type_name(),
            Vec::<u8>::type_name(),
            <()>::type_name(),
            Raw::type_name(),
            <(u32,)>::type_name(),
            <(u32, String)>::type_name(),
            <[u8; 16]>::type_name(),
            <Option<i64>>::type_name(),
            <(u8, Option<[(String, char); 3]>, (), f32, (bool,), [u64; 0])>::type_name(),
        ];
        assert_eq!(
            names.join(" "),
            "u8 i128 f64 bool char string bytes unit * (u32,) (u32, string) [u8; 16] option<i64> \
             (u8, option<[(string, char); 3]>, unit, f32, (bool,), [u64; 0])"
        );
        for name in names {
            assert_eq!(TypeDescriptor::parse(&name).unwrap().to_string(), name);
        }
        for (name, scalar) in SCALARS {
            assert_eq!(scalar.name(), name);
        }
    }

    #[test]
    fn other_names_are_refused() {
        for bad in [
            "",
            "u7",
            "U8",
            " u8",
            "u8 ",
            "usize",
            "()",
            "(u8)",
            "(u8, )",
            "(u8,u8)",
            "(u8, u8",
            "(u8, u8))",
            "[u8]",
            "[u8;4]",
            "[u8; 04]",
            "[u8; +4]",
            "[u8; -1]",
            "[u8; 4",
            "[u8; 99999999999999999999999]",
            "[unit; 3]",
            "[(unit, [u8; 0]); 3]",
            "option",
            "option<",
            "option<>",
            "option<u8",
            "acme.Order",
            "(u8, u8, u8, u8, u8, u8, u8)",
            "é",
            "(é, u8)",
        ] {
            assert!(TypeDescriptor::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| format!("{}u8{}", "option<".repeat(depth), ">".repeat(depth));
        assert!(TypeDescriptor::parse(&nested(DEPTH_MAX - 1)).is_ok());
        assert!(TypeDescriptor::parse(&nested(DEPTH_MAX)).is_err());
        assert!(TypeDescriptor::parse(&"(".repeat(1_000_000)).is_err());
    }

    #[test]
    fn the_error_says_what_there_is() {
        let message = TypeDescriptor::parse("(u8, acme.Order)").unwrap_err().to_string();
        assert_eq!(
            message,
            "the text is no name of a built-in type: \"acme.Order\" is not known here; it may be a \
             program's own type. Known are u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64, \
             bool, char, string, bytes, unit, *, and (T, T), [T; N], option<T> of these, in \
             \"(u8, acme.Order)\""
        );
    }
}
