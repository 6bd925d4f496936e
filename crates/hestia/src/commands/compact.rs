//! `hestia compact`.

use std::ops::Bound;

use hestiastore::types::Raw;

use crate::failure::{Failure, Outcome};
use crate::key_range::KeyRange;
use crate::opening;

const AFTER_HELP: &str = "\
Examples:
  hestia compact words && hestia stats words
  hestia compact ages --from A --to M";

/// Merge all runs of every segment, or of those that own some keys, into its main ones
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    index: opening::Existing,
    #[command(flatten)]
    keys: KeyRange,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let index = arguments.index.for_writing()?;
    if arguments.keys.is_everything() {
        index.compact_and_wait()?;
    } else {
        let (lower, upper) = arguments.keys.encoded(&opening::codecs(&index).key)?;
        let upper = upper.map_or(Bound::Unbounded, |upper| Bound::Excluded(Raw(upper)));
        index.compact_range((Bound::Included(Raw(lower)), upper))?;
    }
    index.close()?;
    Ok(Outcome::Done)
}
