//! The two forms in which a log is written out: text for people, JSON lines for programs.

use std::fmt::Display;

use hestiastore::inspect::{LaterRecord, LogContent, LogFileHeader, LogOperation, LogRecord};
use serde_json::{Value, json};

use crate::codec::{Codec, Codecs};
use crate::commands::wal::hex;
use crate::failure::Failure;
use crate::format::json_text;
use crate::output::Output;

/// Longer keys and values are cut, as text.
const SHOWN_BYTES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Text,
    Json,
}

pub(super) struct Shown {
    style: Style,
    output: Output,
}

impl Shown {
    pub(super) fn new(style: Style, output: Output) -> Self {
        Self { style, output }
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        self.output.finish()
    }

    pub(super) fn header(&mut self, log: &str, header: &LogFileHeader) -> Result<(), Failure> {
        let LogFileHeader { index_uuid, log_uid, first_seq, file_bytes, .. } = *header;
        self.write(
            format_args!(
                "{log}: {file_bytes} bytes, index {index_uuid:032x}, log uid {log_uid:016x}, seqs from {first_seq}"
            ),
            || {
                json!({
                    "kind": "log", "log": log, "bytes": file_bytes, "index": format!("{index_uuid:032x}"),
                    "uid": hex(log_uid), "base_seq": first_seq,
                })
            },
        )
    }

    pub(super) fn mark(
        &mut self,
        log: &str,
        record: &LogRecord<'_>,
        mark: &LogContent<'_>,
    ) -> Result<(), Failure> {
        let LogRecord { offset, first_seq: seq, .. } = *record;
        match *mark {
            LogContent::Sync { synced_seq, wall_micros } => self.write(
                format_args!("{offset:>10}  seq {seq}  SYNC through {synced_seq} at {wall_micros} us"),
                || {
                    json!({
                        "kind": "sync", "log": log, "offset": offset, "next_seq": seq,
                        "synced_seq": synced_seq, "wall_micros": wall_micros,
                    })
                },
            ),
            LogContent::Begin { predecessor_uid, predecessor_end, predecessor_last_seq, lineage, edit_number } => {
                self.write(
                    format_args!(
                        "{offset:>10}  seq {seq}  BEGIN after log {predecessor_uid:016x} to offset {predecessor_end} \
                         and seq {predecessor_last_seq}, lineage {lineage:016x}, edit {edit_number}"
                    ),
                    || {
                        json!({
                            "kind": "begin", "log": log, "offset": offset, "next_seq": seq,
                            "predecessor": hex(predecessor_uid), "predecessor_end": predecessor_end,
                            "predecessor_last_seq": predecessor_last_seq, "lineage": hex(lineage),
                            "edit_number": edit_number,
                        })
                    },
                )
            }
            _ => Ok(()),
        }
    }

    /// The line above the operations of a record; JSON has one for each of them instead.
    pub(super) fn operations(&mut self, _: &str, record: &LogRecord<'_>, count: u64) -> Result<(), Failure> {
        match self.style {
            Style::Text => {
                let LogRecord { offset, first_seq, .. } = *record;
                self.output.line(format_args!("{offset:>10}  seq {first_seq}  operations {count}"))
            }
            Style::Json => Ok(()),
        }
    }

    pub(super) fn operation(
        &mut self,
        log: &str,
        record: &LogRecord<'_>,
        seq: u64,
        operation: &LogOperation<'_>,
        codecs: &Codecs,
    ) -> Result<(), Failure> {
        let (kind, key, value) = match *operation {
            LogOperation::Put { key, value } => ("put", key, Some(value)),
            LogOperation::Delete { key } => ("delete", key, None),
            _ => return Ok(()),
        };
        if self.style == Style::Text {
            let (key, value) = (text(&codecs.key, key), value.map(|value| text(&codecs.value, value)));
            let value = value.map(|value| format!(" = {value}")).unwrap_or_default();
            return self.output.line(format_args!("{:>12}{seq}  {kind} {key}{value}", ""));
        }
        let mut object = json!({ "kind": kind, "log": log, "offset": record.offset, "seq": seq, "key": json_of(&codecs.key, key) });
        if let (Some(value), Value::Object(members)) = (value, &mut object) {
            members.insert("value".to_owned(), json_of(&codecs.value, value));
        }
        self.output.line(object)
    }

    pub(super) fn later(&mut self, log: &str, later: &LaterRecord) -> Result<(), Failure> {
        let LaterRecord { offset, first_seq: seq, synced_seq, .. } = *later;
        let mark = synced_seq.map(|synced| format!("  SYNC through {synced}")).unwrap_or_default();
        self.write(
            format_args!("{offset:>10}  behind the end: seq {seq}{mark}"),
            || json!({ "kind": "later", "log": log, "offset": offset, "seq": seq, "synced_seq": synced_seq }),
        )
    }

    pub(super) fn end(&mut self, log: &str, offset: u64, reason: &str) -> Result<(), Failure> {
        self.write(
            format_args!("{offset:>10}  ends here: {reason}"),
            || json!({ "kind": "end", "log": log, "offset": offset, "reason": reason }),
        )
    }

    pub(super) fn damage(&mut self, log: &str, offset: u64, detail: &str) -> Result<(), Failure> {
        self.write(
            format_args!("{offset:>10}  damage in {log}: {detail}"),
            || json!({ "kind": "damage", "log": log, "offset": offset, "detail": detail }),
        )
    }

    fn write(&mut self, text: impl Display, json: impl FnOnce() -> Value) -> Result<(), Failure> {
        match self.style {
            Style::Text => self.output.line(text),
            Style::Json => self.output.line(json()),
        }
    }
}

/// Keys and values in JSON lines are as `scan` writes them. What is no value of its type is shown as stored.
fn json_of(codec: &Codec, encoded: &[u8]) -> Value {
    let mut space = Vec::new();
    json_text(codec.text(encoded, &mut space).unwrap_or(encoded))
}

/// On one line, cut, and told how long it is where it was cut.
fn text(codec: &Codec, encoded: &[u8]) -> String {
    let mut space = Vec::new();
    match codec.text(encoded, &mut space) {
        Ok(text)
            if matches!(codec, Codec::Text(_))
                && text.len() <= SHOWN_BYTES
                && !text.iter().any(u8::is_ascii_control) =>
        {
            String::from_utf8_lossy(text).into_owned()
        }
        Ok(text) => quoted(text),
        Err(_) => quoted(encoded),
    }
}

fn quoted(bytes: &[u8]) -> String {
    let cut = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    let rest = match bytes.len() - cut.len() {
        0 => String::new(),
        _ => format!("... ({} bytes)", bytes.len()),
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if rest.is_empty() => format!("{text:?}"),
        _ => format!("\"{}\"{rest}", cut.escape_ascii()),
    }
}
