//! `hestia scan`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use hestiastore::Cursor;
use hestiastore::types::Raw;

use crate::codec::{Codec, Codecs};
use crate::failure::{Failure, Outcome};
use crate::format::Format;
use crate::key_range::KeyRange;
use crate::opening;
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  hestia scan words --prefix ab --limit 10
  hestia scan ages --from A --to M --format jsonl
  hestia scan words --reverse --keys-only | head -1

tsv is raw: what was loaded comes back byte for byte. An entry that it cannot carry (a tab or
newline in a key, a newline in a value) stops the scan with an error; jsonl carries everything.";

/// Write the entries in key order
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    index: opening::Existing,
    #[command(flatten)]
    keys: KeyRange,
    /// Only keys that begin so; for a tuple that ends in a string: (7, "ap")
    #[arg(long, allow_negative_numbers = true)]
    prefix: Option<OsString>,
    /// From the greatest key to the least
    #[arg(long)]
    reverse: bool,
    /// Write so many entries at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// How to write an entry
    #[arg(long, default_value = "tsv")]
    format: Format,
    /// Leave the values out
    #[arg(long)]
    keys_only: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let index = arguments.index.for_reading()?;
    let codecs = opening::codecs(&index);
    let range = Range::of(arguments, &codecs.key)?;
    let mut output = Output::new()?;
    let written = write_entries(arguments, &codecs, &range, index.cursor()?, &mut output);
    // What was read before a failure is good.
    let finished = output.finish();
    written.and(finished)?;
    Ok(Outcome::Done)
}

fn write_entries(
    arguments: &Arguments,
    codecs: &Codecs,
    range: &Range,
    mut cursor: Cursor<Raw, Raw>,
    output: &mut Output,
) -> Result<(), Failure> {
    let (mut key_space, mut value_space, mut line) = (Vec::new(), Vec::new(), Vec::new());
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut on_entry = range.enter(&mut cursor, arguments.reverse)?;
    while on_entry && left > 0 && range.holds(cursor.key_bytes()) {
        left -= 1;
        line.clear();
        let key = codecs.key.text(cursor.key_bytes(), &mut key_space)?;
        if arguments.keys_only {
            arguments.format.write(key, None, &mut line)?;
        } else {
            let value = cursor.value_bytes()?;
            arguments.format.write(key, Some(codecs.value.text(&value, &mut value_space)?), &mut line)?;
        }
        output.write(&line)?;
        on_entry = if arguments.reverse { cursor.prev()? } else { cursor.next()? };
    }
    Ok(())
}

/// Encoded keys from the lower to before the upper.
#[derive(Debug)]
struct Range {
    lower: Vec<u8>,
    upper: Option<Vec<u8>>,
}

impl Range {
    fn of(arguments: &Arguments, codec: &Codec) -> Result<Self, Failure> {
        let (lower, upper) = arguments.keys.encoded(codec)?;
        let mut range = Self { lower, upper };
        if let Some(prefix) = &arguments.prefix {
            let prefix = codec.encode(prefix.as_bytes())?.into_owned();
            range.upper = least(range.upper, after_prefix(&prefix));
            range.lower = range.lower.max(prefix);
        }
        Ok(range)
    }

    fn enter(&self, cursor: &mut Cursor<Raw, Raw>, reverse: bool) -> hestiastore::Result<bool> {
        match (&self.upper, reverse) {
            (_, false) => cursor.seek(&self.lower),
            (Some(upper), true) => cursor.seek_before(upper),
            (None, true) => cursor.seek_to_last(),
        }
    }

    fn holds(&self, key: &[u8]) -> bool {
        *self.lower <= *key && self.upper.as_ref().is_none_or(|upper| *key < **upper)
    }
}

/// Of two upper bounds, where none is infinite.
fn least(a: Option<Vec<u8>>, b: Option<Vec<u8>>) -> Option<Vec<u8>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The least key behind all that begin with `prefix`, if there is one.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut upper = prefix.get(..=kept)?.to_vec();
    *upper.last_mut()? += 1;
    Some(upper)
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn the_end_of_a_prefix() {
        for (prefix, after) in [
            (&b"ab"[..], Some(&b"ac"[..])),
            (b"a\xff\xff", Some(b"b")),
            (b"\xff", None),
            (b"", None),
            (b"a\0", Some(b"a\x01")),
        ] {
            assert_eq!(after_prefix(prefix).as_deref(), after);
        }
    }
}
