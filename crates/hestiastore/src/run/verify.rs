//! Walks a whole run, step by step, and collects everything that does not fit.

use std::sync::Arc;

use super::entries::EntryChunk;
use super::open::Run;
use super::properties::RunProperties;
use super::settings::{EntryKind, key_hash, split_expiry};
use crate::block::BlockFileReader;
use crate::chunk::ChunkPosition;
use crate::error::{Error, Result};
use crate::problems::{Problems, Shown};

/// About so many bytes of the file are gone through in one step.
const STEP_BYTES: u64 = 256 << 10;

/// One damaged chunk must not drown the others: no more entries of it are looked at after so many problems.
const MOST_OF_A_CHUNK: u64 = 5;

/// The verification of one run: every block and chunk is read from the file, and compared with each other, the
/// sparse index, the filter and the properties. Reads around the cache; memory is bounded by the largest
/// chunk and a window of blocks. Damage ends nothing: what can still be read is.
#[derive(Debug)]
pub(crate) struct RunCheck {
    run: Arc<Run>,
    problems: Problems,
    /// What was found so far, in the form of properties.
    found: RunProperties,
    last: Option<(Vec<u8>, u64)>,
    /// Where the next chunk must begin.
    next: ChunkPosition,
    /// Whether every chunk so far could be read, so that counts mean something.
    complete: bool,
    next_block: u64,
    next_chunk: usize,
    /// Bytes of the file that are gone through.
    passed_bytes: u64,
    ended: bool,
}

impl RunCheck {
    pub(crate) fn new(run: Arc<Run>) -> Self {
        Self {
            run,
            problems: Problems::default(),
            found: RunProperties::empty(),
            last: None,
            next: ChunkPosition(0),
            complete: true,
            next_block: 0,
            next_chunk: 0,
            passed_bytes: 0,
            ended: false,
        }
    }

    pub(crate) fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// Verifies what is left and gives what was found.
    pub(crate) fn finish(mut self) -> Problems {
        while self.step().is_some() {}
        self.problems
    }

    /// Verifies the next blocks and the chunks that end in them. How many bytes of the file that was, or
    /// `None` if all of it is done.
    pub(crate) fn step(&mut self) -> Option<u64> {
        if self.ended {
            return None;
        }
        self.blocks();
        let run = Arc::clone(&self.run);
        let blocks = run.chunks.blocks();
        let passed_payload = blocks.block_position(self.next_block);
        let last_step = self.next_block >= blocks.block_count();
        while let Some(chunk) = run.sparse.chunk(self.next_chunk) {
            if !last_step && chunk.position.after(chunk.stored_bytes).payload_position() > passed_payload {
                break;
            }
            self.chunk(self.next_chunk);
            self.next_chunk += 1;
        }
        if last_step {
            self.end();
            self.ended = true;
        }
        let passed = if last_step { run.file_bytes() } else { blocks.file_offset(passed_payload) };
        let before = std::mem::replace(&mut self.passed_bytes, passed);
        Some(passed.saturating_sub(before))
    }

    /// Reads the next blocks at once, and one by one where that finds damage.
    fn blocks(&mut self) {
        let run = Arc::clone(&self.run);
        let blocks = run.chunks.blocks();
        let block_bytes = blocks.block_bytes();
        let count = (STEP_BYTES / block_bytes).max(1).min(blocks.block_count() - self.next_block);
        let (first, after) = (self.next_block, self.next_block + count);
        self.next_block = after;
        let mut payload = Vec::new();
        let mut filled = None;
        match blocks.read_checked(first, count, &mut payload) {
            Ok(()) => filled = Some(blocks.block_position(first) + payload.len() as u64),
            Err(_) => {
                for number in first..after {
                    filled = self.single_block(blocks, number, &mut payload);
                }
            }
        }
        if after == blocks.block_count() {
            self.end_of_blocks(blocks, filled);
        }
    }

    /// Where the payload of a block ends, if it is sound.
    fn single_block(&mut self, blocks: &BlockFileReader, number: u64, payload: &mut Vec<u8>) -> Option<u64> {
        match blocks.read_checked(number, 1, payload) {
            Ok(()) => Some(blocks.block_position(number) + payload.len() as u64),
            Err(error) => {
                self.report(error);
                None
            }
        }
    }

    fn end_of_blocks(&mut self, blocks: &BlockFileReader, filled: Option<u64>) {
        let footer = &self.run.footer;
        let (position, expected) =
            (footer.first_section, footer.first_section.payload_position() + footer.section_payload_bytes());
        if let Some(found) = filled.filter(|found| *found != expected) {
            self.complain(position, format!("expected {expected} bytes of payload, found {found}"));
        }
        if let Err(error) = blocks.check_header_page() {
            self.report(error);
        }
    }

    fn chunk(&mut self, at: usize) {
        let run = Arc::clone(&self.run);
        let chunk = run.expected_chunk(at).and_then(|expected| {
            let payload = run.chunks.read(expected)?;
            let decoded_bytes = payload.len() as u32;
            Ok((expected, decoded_bytes, run.parse_chunk(expected.position, payload)?))
        });
        let (expected, decoded_bytes, chunk) = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                self.complete = false;
                self.last = None;
                return self.report(error);
            }
        };
        self.found.entry_chunks += 1;
        raise(&mut self.found.largest_stored_chunk, expected.stored_bytes);
        raise(&mut self.found.largest_decoded_chunk, decoded_bytes);
        self.separator(at, expected.position, &chunk);
        let before = self.problems.count();
        for entry in 0..chunk.len() {
            if let Err(error) = self.entry(expected.position, &chunk, entry) {
                self.complete = false;
                self.report(error);
            }
            if self.problems.count() > before + MOST_OF_A_CHUNK {
                self.complete = false;
                break;
            }
        }
        if self.complete && self.next != expected.position {
            let next = self.next.0;
            self.complain(expected.position, format!("expected this chunk at cell {next}"));
        }
        self.next = expected.position.after(expected.stored_bytes);
    }

    fn separator(&mut self, at: usize, position: ChunkPosition, chunk: &EntryChunk) {
        let first = key_of(chunk, 0);
        let (separator, seq) = (self.run.sparse.separator(at), self.run.sparse.seq(at));
        let goes_on = self.last.as_ref().is_some_and(|(last, _)| *last == first);
        let behind_last = self.last.as_ref().is_none_or(|(last, _)| goes_on || *last < separator);
        let expected_seq = if goes_on { chunk.seq(0) } else { u64::MAX };
        let fits = separator <= first && behind_last && (seq == expected_seq || !self.complete);
        if !fits {
            let detail = format!("separator {}, seq {seq}, does not fit its chunk", Shown(&separator));
            self.complain(position, detail);
        }
        if at == 0 && separator != first {
            self.complain(position, "the first separator is not the first key".into());
        }
    }

    fn entry(&mut self, position: ChunkPosition, chunk: &EntryChunk, entry: usize) -> Result<()> {
        let key = key_of(chunk, entry);
        let seq = chunk.seq(entry);
        let new_key = self.last.as_ref().is_none_or(|(last, _)| key != *last);
        let in_order = self
            .last
            .as_ref()
            .is_none_or(|(last, last_seq)| key > *last || (key == *last && seq < *last_seq));
        if !in_order {
            self.complain(position, format!("entry {entry} is out of order"));
        }
        let hash = key_hash(self.run.properties.hash_seed, &key);
        if chunk.fingerprint(entry) != hash as u8 {
            self.complain(position, format!("entry {entry} has another key's fingerprint"));
        }
        if self.run.filter.as_ref().is_some_and(|filter| !filter.may_contain(hash)) {
            self.complain(position, format!("the filter denies the key of entry {entry}"));
        }
        if seq != 0 && self.run.properties.seqs.is_none_or(|(least, greatest)| seq < least || seq > greatest)
        {
            self.complain(position, format!("entry {entry} has seq {seq}, which is not covered"));
        }
        if !self.run.properties.identity.answers_for(&key) {
            let detail = format!("entry {entry}, key {}, is outside of the range answered for", Shown(&key));
            self.complain(position, detail);
        }
        if self.found.entries == 0 {
            self.found.first_key.clone_from(&key);
        }
        self.found.entries += 1;
        self.found.keys += u64::from(new_key);
        self.found.key_bytes += key.len() as u64;
        self.last = Some((key, seq));
        self.value(chunk.kind(entry), chunk.value(entry), position)
    }

    fn value(&mut self, kind: EntryKind, stored: &[u8], position: ChunkPosition) -> Result<()> {
        match kind {
            EntryKind::Put => self.found.value_bytes += stored.len() as u64,
            EntryKind::Delete => {
                self.found.value_bytes += stored.len() as u64;
                self.found.tombstones += 1;
            }
            EntryKind::PutExpiry => {
                self.found.value_bytes += stored.len() as u64;
                match split_expiry(stored) {
                    Some((expiry, _)) => self.expiry(expiry),
                    None => self.complain(position, "an expiring value without its expiry".into()),
                }
            }
            EntryKind::RangeDelete => {
                self.complain(position, "a range delete among the entries".into());
            }
            EntryKind::ValuePointer => return self.value_chunk(stored),
        }
        Ok(())
    }

    fn value_chunk(&mut self, stored: &[u8]) -> Result<()> {
        let pointer = self.run.pointer(stored)?;
        let value = self.run.load_value(&pointer)?;
        if self.complete && self.next != pointer.position {
            let next = self.next.0;
            self.complain(pointer.position, format!("expected this value at cell {next}"));
        }
        self.next = pointer.position.after(pointer.stored_bytes);
        self.found.value_chunks += 1;
        self.found.value_bytes += value.len() as u64;
        raise(&mut self.found.largest_stored_value, pointer.stored_bytes);
        raise(&mut self.found.largest_decoded_value, pointer.decoded_bytes);
        if pointer.kind == EntryKind::PutExpiry {
            if split_expiry(&value).map(|(expiry, _)| expiry) != Some(pointer.expiry_micros) {
                self.complain(pointer.position, "pointer and value differ in their expiry".into());
            }
            self.expiry(pointer.expiry_micros);
        }
        Ok(())
    }

    fn expiry(&mut self, expiry: u64) {
        let least = self.found.least_expiry_micros.unwrap_or(expiry);
        self.found.least_expiry_micros = Some(least.min(expiry));
    }

    /// Compares what was found with what the properties say.
    fn end(&mut self) {
        let run = Arc::clone(&self.run);
        if !self.complete {
            return;
        }
        let sections = run.footer.first_section;
        if self.next != sections {
            let next = self.next.0;
            self.complain(sections, format!("expected the sections at cell {next}"));
        }
        self.found.last_key = self.last.take().map_or_else(Vec::new, |(key, _)| key);
        for difference in differences(&run.properties, &self.found) {
            self.complain(sections, difference);
        }
    }

    fn complain(&mut self, position: ChunkPosition, detail: String) {
        self.report(self.run.chunks.damaged(position, detail));
    }

    fn report(&mut self, error: Error) {
        self.problems.push(error);
    }
}

/// What the properties state of the entries and is not so.
fn differences(stated: &RunProperties, found: &RunProperties) -> Vec<String> {
    let numbers = [
        ("entries", stated.entries, found.entries),
        ("keys", stated.keys, found.keys),
        ("tombstones", stated.tombstones, found.tombstones),
        ("range tombstones", stated.range_tombstones, found.range_tombstones),
        ("entry chunks", stated.entry_chunks, found.entry_chunks),
        ("value chunks", stated.value_chunks, found.value_chunks),
        ("bytes of keys", stated.key_bytes, found.key_bytes),
        ("bytes of values", stated.value_bytes, found.value_bytes),
        (
            "bytes in the largest stored chunk",
            stated.largest_stored_chunk.into(),
            found.largest_stored_chunk.into(),
        ),
        (
            "bytes in the largest decoded chunk",
            stated.largest_decoded_chunk.into(),
            found.largest_decoded_chunk.into(),
        ),
        (
            "bytes in the largest stored value",
            stated.largest_stored_value.into(),
            found.largest_stored_value.into(),
        ),
        (
            "bytes in the largest decoded value",
            stated.largest_decoded_value.into(),
            found.largest_decoded_value.into(),
        ),
    ];
    let mut differences: Vec<String> = numbers
        .into_iter()
        .filter(|(_, stated, found)| stated != found)
        .map(|(what, stated, found)| format!("the properties state {stated} {what}, found {found}"))
        .collect();
    if stated.least_expiry_micros != found.least_expiry_micros {
        let (stated, found) = (stated.least_expiry_micros, found.least_expiry_micros);
        differences.push(format!("the properties state the least expiry {stated:?}, found {found:?}"));
    }
    for (what, stated, found) in
        [("first", &stated.first_key, &found.first_key), ("last", &stated.last_key, &found.last_key)]
    {
        if stated != found {
            let (stated, found) = (Shown(stated), Shown(found));
            differences.push(format!("the properties state the {what} key {stated}, found {found}"));
        }
    }
    differences
}

fn key_of(chunk: &EntryChunk, entry: usize) -> Vec<u8> {
    [chunk.prefix(), chunk.suffix(entry)].concat()
}

fn raise(largest: &mut u32, found: u32) {
    *largest = found.max(*largest);
}
