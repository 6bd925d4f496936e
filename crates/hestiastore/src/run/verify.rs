//! Walks a whole run and reports everything that does not fit.

use super::entries::EntryChunk;
use super::open::Run;
use super::properties::RunProperties;
use super::settings::{EntryKind, key_hash, split_expiry};
use crate::chunk::ChunkPosition;
use crate::error::{Error, Result};

/// More problems than this are not listed.
const MAX_PROBLEMS: usize = 100;

impl Run {
    /// Reads every block and chunk, and compares them with each other, the sparse index, the filter and
    /// the properties. Returns what does not fit, up to 100 problems. Reads around the cache; memory is bounded by
    /// the largest chunk and block.
    pub(crate) fn verify(&self) -> Vec<Error> {
        let mut walk = Walk::new(self);
        walk.blocks();
        for at in 0..self.sparse.len() {
            if walk.problems.len() >= MAX_PROBLEMS {
                return walk.problems;
            }
            walk.chunk(at);
        }
        walk.end();
        walk.problems
    }
}

struct Walk<'a> {
    run: &'a Run,
    problems: Vec<Error>,
    /// What was found so far, in the form of properties.
    found: RunProperties,
    last: Option<(Vec<u8>, u64)>,
    /// Where the next chunk must begin.
    next: ChunkPosition,
    /// Whether every chunk so far could be read, so that counts mean something.
    complete: bool,
}

impl<'a> Walk<'a> {
    fn new(run: &'a Run) -> Self {
        Self {
            run,
            problems: Vec::new(),
            found: RunProperties::empty(),
            last: None,
            next: ChunkPosition(0),
            complete: true,
        }
    }

    fn blocks(&mut self) {
        let mut payload = Vec::new();
        let mut filled = 0;
        let blocks = self.run.chunks.blocks();
        for number in 0..blocks.block_count() {
            match blocks.read_checked(number, 1, &mut payload) {
                Ok(()) => filled = blocks.block_position(number) + payload.len() as u64,
                Err(error) => self.report(error),
            }
            if self.problems.len() >= MAX_PROBLEMS {
                return;
            }
        }
        let footer = &self.run.footer;
        let expected = footer.first_section.payload_position() + footer.section_payload_bytes();
        if self.problems.is_empty() && filled != expected {
            self.complain(
                footer.first_section,
                format!("expected {expected} bytes of payload, found {filled}"),
            );
        }
        if let Err(error) = blocks.check_header_page() {
            self.report(error);
        }
    }

    fn chunk(&mut self, at: usize) {
        let chunk = self.run.expected_chunk(at).and_then(|expected| {
            let payload = self.run.chunks.read(expected)?;
            let decoded_bytes = payload.len() as u32;
            Ok((expected, decoded_bytes, self.run.parse_chunk(expected.position, payload)?))
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
        let before = self.problems.len();
        for entry in 0..chunk.len() {
            if let Err(error) = self.entry(expected.position, &chunk, entry) {
                self.report(error);
            }
            // One damaged chunk must not drown the others.
            if self.problems.len() > before + 5 {
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
            self.complain(position, format!("separator {separator:02x?}, seq {seq}, does not fit its chunk"));
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

    /// Compares what was found with what the properties say. What a walk cannot find is taken over.
    fn end(&mut self) {
        let run = self.run;
        if !self.complete {
            return;
        }
        if self.next != run.footer.first_section {
            let next = self.next.0;
            self.complain(run.footer.first_section, format!("expected the sections at cell {next}"));
        }
        self.found.last_key = self.last.take().map_or_else(Vec::new, |(key, _)| key);
        let stated = &run.properties;
        let found = RunProperties {
            identity: stated.identity.clone(),
            pipeline: stated.pipeline.clone(),
            seqs: stated.seqs,
            range_tombstones: stated.range_tombstones,
            filter: stated.filter,
            hash_id: stated.hash_id,
            hash_seed: stated.hash_seed,
            ..std::mem::replace(&mut self.found, RunProperties::empty())
        };
        if found != *stated {
            let detail = format!("the properties state {stated:?}, found was {found:?}");
            self.complain(run.footer.first_section, detail);
        }
    }

    fn complain(&mut self, position: ChunkPosition, detail: String) {
        self.report(self.run.chunks.damaged(position, detail));
    }

    fn report(&mut self, error: Error) {
        self.problems.push(error);
    }
}

fn key_of(chunk: &EntryChunk, entry: usize) -> Vec<u8> {
    [chunk.prefix(), chunk.suffix(entry)].concat()
}

fn raise(largest: &mut u32, found: u32) {
    *largest = found.max(*largest);
}
