//! A JSON object a line. Carries every entry.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::EntryText;
use crate::failure::Failure;

/// Longer texts are written as base64 too: with escapes they could grow to six times their length.
const MAX_PLAIN_BYTES: usize = 256 << 20;

pub(super) fn write(key: &[u8], value: Option<&[u8]>, line: &mut Vec<u8>) -> Result<(), Failure> {
    line.extend_from_slice(b"{\"key\":");
    write_text(key, line)?;
    if let Some(value) = value {
        line.extend_from_slice(b",\"value\":");
        write_text(value, line)?;
    }
    line.extend_from_slice(b"}\n");
    Ok(())
}

fn write_text(text: &[u8], line: &mut Vec<u8>) -> Result<(), Failure> {
    match plain(text) {
        Some(text) => serde_json::to_writer(line, text).map_err(|error| Failure::writing(error.into())),
        None => {
            line.extend_from_slice(b"{\"base64\":\"");
            line.extend_from_slice(STANDARD.encode(text).as_bytes());
            line.extend_from_slice(b"\"}");
            Ok(())
        }
    }
}

/// What [`write`] writes for one text.
pub(super) fn value_of(text: &[u8]) -> Value {
    match plain(text) {
        Some(text) => Value::String(text.to_owned()),
        None => serde_json::json!({ "base64": STANDARD.encode(text) }),
    }
}

/// What is written as a string.
fn plain(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_PLAIN_BYTES)
}

pub(super) fn read(line: &[u8]) -> Result<EntryText<'static>, String> {
    let parsed: Value = serde_json::from_slice(line).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(mut object) = parsed else {
        return Err("it is no JSON object".to_owned());
    };
    let entry = (member(&mut object, "key")?, member(&mut object, "value")?);
    match object.keys().next() {
        None => Ok(entry),
        Some(name) => Err(format!("an entry has a key and a value, but no {name:?}")),
    }
}

fn member(object: &mut Map<String, Value>, name: &str) -> Result<Cow<'static, [u8]>, String> {
    let value = object.remove(name).ok_or_else(|| format!("there is no {name:?}"))?;
    text(value).map(Cow::Owned).map_err(|problem| format!("its {name:?} {problem}"))
}

/// The text that a JSON value stands for: numbers and truth values are what they look like.
fn text(value: Value) -> Result<Vec<u8>, String> {
    match value {
        Value::String(text) => Ok(text.into_bytes()),
        Value::Number(number) => Ok(number.to_string().into_bytes()),
        Value::Bool(truth) => Ok(truth.to_string().into_bytes()),
        Value::Object(object) => match (object.get("base64"), object.len()) {
            (Some(Value::String(encoded)), 1) => {
                STANDARD.decode(encoded).map_err(|error| format!("is no base64: {error}"))
            }
            _ => Err("is an object that is not {\"base64\": \"..\"}".to_owned()),
        },
        Value::Null | Value::Array(_) => Err("is neither a string nor a number nor true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in [&b""[..], b"plain", b"tab\there\nand \"there\" \\ \x00\x1f", b"\xff\xfe", "ü".as_bytes()]
        {
            let mut line = Vec::new();
            write(text, Some(text), &mut line).unwrap();
            assert!(!line[..line.len() - 1].contains(&b'\n'));
            let (key, value) = read(&line).unwrap();
            assert_eq!((&*key, &*value), (text, text));
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for (line, problem) in [
            ("", "no JSON"),
            ("[]", "no JSON object"),
            (r#"{"key":"a"}"#, "no \"value\""),
            (r#"{"value":"a"}"#, "no \"key\""),
            (r#"{"key":"a","value":null}"#, "neither"),
            (r#"{"key":"a","value":{"base64":"!"}}"#, "no base64"),
            (r#"{"key":"a","value":{"base32":"AA"}}"#, "not {\"base64\""),
            (r#"{"key":"a","value":"b","seq":1}"#, "no \"seq\""),
            (r#"{"key":"a","value":"b"} x"#, "no JSON"),
        ] {
            let error = read(line.as_bytes()).unwrap_err();
            assert!(error.contains(problem), "{line}: {error}");
        }
    }

    #[test]
    fn numbers_and_truth_values_are_their_text() {
        let (key, value) = read(br#"{"key":-7,"value":true}"#).unwrap();
        assert_eq!((&*key, &*value), (&b"-7"[..], &b"true"[..]));
    }
}
