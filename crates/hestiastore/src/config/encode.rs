//! A configuration on disk: tagged fields, as `docs/format/config.md` says. Whoever stores it covers
//! it with a checksum.

use super::Config;
use super::groups::KNOBS;
use super::knob::{Kind, Knob};
use super::value::Value;
use crate::bytes::{Reader, Short};
use crate::{Error, Result};

/// How errors call the bytes; the file that holds them is known to the caller alone.
const SOURCE: &str = "the stored configuration";

/// Set in a tag: who does not know the field must not open the index.
const CRITICAL: u16 = 0x8000;

impl Config {
    /// All knobs, also those with their default.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(KNOBS.len() * 14);
        for knob in KNOBS {
            put_field(&mut out, knob.tag, &(knob.get)(self));
        }
        out
    }

    /// What [`Config::encode`] gave. Ranges and rules are not checked: a value that another version
    /// allowed is for [`Config::validate`] to name, so that a patch may replace it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an unknown critical field, or an unknown word of a known one;
    /// [`Error::Corruption`] for bytes that are no list of fields.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Config> {
        let mut config = Config::default();
        let mut seen: Vec<u16> = Vec::new();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let offset = (bytes.len() - reader.rest().len()) as u64;
            let (tag, content) =
                take_field(&mut reader).map_err(|Short| damage(offset, "a field ends behind the end"))?;
            let Some(knob) = find(tag) else {
                if tag & CRITICAL != 0 {
                    return Err(unsupported(format!("setting {tag:#06x} is not known")));
                }
                continue;
            };
            if seen.contains(&knob.tag) {
                return Err(damage(offset, &format!("{} is there twice", knob.name)));
            }
            seen.push(knob.tag);
            let value = decode_value(knob, content)
                .ok_or_else(|| damage(offset, &format!("{} bytes are no {}", content.len(), knob.name)))?;
            if !(knob.set)(&mut config, &value) {
                let shown = knob.show(&value);
                return Err(unsupported(format!("{} is {shown:?}", knob.name)));
            }
        }
        Ok(config)
    }
}

/// The critical bit does not count: a later version may think otherwise about a field known here.
fn find(tag: u16) -> Option<&'static Knob> {
    KNOBS.iter().find(|knob| knob.tag & !CRITICAL == tag & !CRITICAL)
}

fn put_field(out: &mut Vec<u8>, tag: u16, value: &Value) {
    let content = match value {
        Value::Auto => Vec::new(),
        Value::Number(number) | Value::Nanos(number) => number.to_be_bytes().to_vec(),
        Value::Rate(rate) => rate.to_bits().to_be_bytes().to_vec(),
        Value::Switch(on) => vec![u8::from(*on)],
        Value::Text(text) => text.as_bytes().to_vec(),
    };
    out.extend_from_slice(&tag.to_be_bytes());
    out.extend_from_slice(&(content.len() as u32).to_be_bytes());
    out.extend_from_slice(&content);
}

fn take_field<'a>(reader: &mut Reader<'a>) -> Result<(u16, &'a [u8]), Short> {
    let tag = reader.u16()?;
    let length = usize::try_from(reader.u32()?).map_err(|_| Short)?;
    Ok((tag, reader.take(length)?))
}

/// `None` if the content has the wrong length or is no text.
fn decode_value(knob: &Knob, content: &[u8]) -> Option<Value> {
    if knob.optional && content.is_empty() {
        return Some(Value::Auto);
    }
    let number = || content.try_into().ok().map(u64::from_be_bytes);
    match knob.kind {
        Kind::Bytes { .. } | Kind::Count { .. } => number().map(Value::Number),
        Kind::Time { .. } => number().map(Value::Nanos),
        Kind::Rate => number().map(|bits| Value::Rate(f64::from_bits(bits))),
        Kind::Switch => match content {
            [0] => Some(Value::Switch(false)),
            [1] => Some(Value::Switch(true)),
            _ => None,
        },
        Kind::Choice(_) | Kind::Filters => {
            let text = std::str::from_utf8(content).ok()?;
            Some(Value::Text(text.to_owned()))
        }
    }
}

fn damage(offset: u64, detail: &str) -> Error {
    Error::corruption(SOURCE, offset, detail)
}

fn unsupported(detail: String) -> Error {
    Error::Unsupported { file: SOURCE.to_owned(), detail }
}
