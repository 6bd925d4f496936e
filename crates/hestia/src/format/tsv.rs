//! Key, tab, value, end of line; nothing is escaped, so what is read is written again byte for byte.

use std::borrow::Cow;

use super::EntryText;
use crate::failure::Failure;

/// Longer keys are cut in messages.
const SHOWN_BYTES: usize = 80;

pub(super) fn write(key: &[u8], value: Option<&[u8]>, line: &mut Vec<u8>) -> Result<(), Failure> {
    if key.contains(&b'\n') {
        return Err(cannot_carry(key, "has a newline in it"));
    }
    line.extend_from_slice(key);
    if let Some(value) = value {
        if key.contains(&b'\t') {
            return Err(cannot_carry(key, "has a tab in it"));
        }
        if value.contains(&b'\n') {
            return Err(cannot_carry(key, "has a value with a newline in it"));
        }
        line.push(b'\t');
        line.extend_from_slice(value);
    }
    line.push(b'\n');
    Ok(())
}

#[inline]
pub(super) fn read(line: &[u8]) -> Result<EntryText<'_>, String> {
    let Some(end) = line.iter().position(|byte| *byte == b'\t') else {
        return Err("there is no tab to end the key".to_owned());
    };
    let (key, rest) = line.split_at(end);
    let value = rest.strip_prefix(b"\t").unwrap_or(rest);
    Ok((Cow::Borrowed(key), Cow::Borrowed(value)))
}

fn cannot_carry(key: &[u8], why: &str) -> Failure {
    let shown = key.get(..SHOWN_BYTES).unwrap_or(key);
    let dots = if shown.len() < key.len() { "..." } else { "" };
    Failure::Message(format!(
        "the key \"{}{dots}\" {why}, which tsv cannot carry; use --format jsonl",
        shown.escape_ascii()
    ))
}
