//! What a script is, and how it is written: `buffered empty: put 0 6; sync; delete 2 2`.

use std::fmt;
use std::str::FromStr;

use hestiastore::config::Durability;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub mode: Durability,
    pub start: Start,
    pub lines: Vec<Line>,
}

/// What the script finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Start {
    /// No index.
    Empty,
    /// An index of several segments, closed.
    Segments,
}

/// One line of a script. Numbers are the first key and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Put(u32, u32),
    Delete(u32, u32),
    /// Puts in one batch.
    Batch(u32, u32),
    /// Puts in one batch of keys that lie forty apart.
    Wide(u32, u32),
    Flush,
    Compact,
    Sync,
    Reopen,
    /// Closed, and opened with segments that are to be so much larger that all are merged.
    Widen,
    /// Compaction of the segments that own this many keys.
    CompactRange(u32, u32),
    /// With merges and splits in the background, until nothing is left to do.
    Settle,
}

impl Script {
    pub fn settles(&self) -> bool {
        self.lines.contains(&Line::Settle)
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.lines.iter().map(ToString::to_string).collect();
        let start = match self.start {
            Start::Empty => "empty",
            Start::Segments => "segments",
        };
        write!(f, "{} {start}: {}", mode_name(self.mode), lines.join("; "))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Put(from, count) => write!(f, "put {from} {count}"),
            Line::Delete(from, count) => write!(f, "delete {from} {count}"),
            Line::Batch(from, count) => write!(f, "batch {from} {count}"),
            Line::Wide(from, count) => write!(f, "wide {from} {count}"),
            Line::Flush => f.write_str("flush"),
            Line::Compact => f.write_str("compact"),
            Line::Sync => f.write_str("sync"),
            Line::Reopen => f.write_str("reopen"),
            Line::Widen => f.write_str("widen"),
            Line::CompactRange(from, count) => write!(f, "compact {from} {count}"),
            Line::Settle => f.write_str("settle"),
        }
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (head, lines) = text.split_once(':').ok_or("no colon")?;
        let (mode, start) = head.trim().split_once(' ').ok_or("mode and start")?;
        let mode = MODES.into_iter().find(|known| mode_name(*known) == mode).ok_or("no such mode")?;
        let start = match start.trim() {
            "empty" => Start::Empty,
            "segments" => Start::Segments,
            other => return Err(format!("start {other:?}")),
        };
        let lines = lines.split(';').map(str::parse).collect::<Result<_, String>>()?;
        Ok(Self { mode, start, lines })
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |word: &str| word.parse::<u32>().map_err(|error| format!("{text:?}: {error}"));
        Ok(match words[..] {
            ["put", from, count] => Line::Put(number(from)?, number(count)?),
            ["delete", from, count] => Line::Delete(number(from)?, number(count)?),
            ["batch", from, count] => Line::Batch(number(from)?, number(count)?),
            ["wide", from, count] => Line::Wide(number(from)?, number(count)?),
            ["flush"] => Line::Flush,
            ["compact"] => Line::Compact,
            ["compact", from, count] => Line::CompactRange(number(from)?, number(count)?),
            ["widen"] => Line::Widen,
            ["sync"] => Line::Sync,
            ["reopen"] => Line::Reopen,
            ["settle"] => Line::Settle,
            _ => return Err(format!("no line: {text:?}")),
        })
    }
}

pub const MODES: [Durability; 4] =
    [Durability::Off, Durability::Buffered, Durability::GroupSync, Durability::Sync];

fn mode_name(mode: Durability) -> &'static str {
    match mode {
        Durability::Off => "off",
        Durability::Buffered => "buffered",
        Durability::GroupSync => "group-sync",
        Durability::Sync => "sync",
    }
}
