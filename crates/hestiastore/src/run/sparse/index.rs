//! The sparse index in memory.

use std::cmp::Ordering;

use super::heads::Heads;
use super::{HAS_SEQS, HEADER_BYTES, NEW_KEY};
use crate::bytes::{Reader, Short, key_head};
use crate::chunk::ChunkPosition;
use crate::run::keys::strip_prefix;

/// Where an entry chunk lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexedChunk {
    pub(crate) position: ChunkPosition,
    pub(crate) stored_bytes: u32,
}

/// Immutable. Invariant: separators ascend (equal ones by descending seq), positions ascend without overlap.
#[derive(Debug)]
pub(crate) struct SparseIndex {
    prefix: Box<[u8]>,
    heads: Heads,
    positions: Box<[u64]>,
    lengths: Box<[u32]>,
    ends: Box<[u32]>,
    /// Separators without the prefix.
    keys: Box<[u8]>,
    /// Empty if every separator begins a new key.
    seqs: Box<[u64]>,
}

impl SparseIndex {
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, String> {
        let short = |_: Short| "the sparse index is cut off".to_owned();
        let mut reader = Reader::new(payload);
        let n = reader.u32().map_err(short)? as usize;
        let key_bytes = reader.u32().map_err(short)? as usize;
        let prefix_len = reader.u32().map_err(short)? as usize;
        let flags = reader.u32().map_err(short)?;
        if flags & !HAS_SEQS != 0 {
            return Err(format!("unknown flags {flags:#x} of the sparse index"));
        }
        let has_seqs = flags & HAS_SEQS != 0;
        let per_chunk = if has_seqs { 24 } else { 16 };
        let wanted = HEADER_BYTES
            .saturating_add(prefix_len)
            .saturating_add(key_bytes)
            .saturating_add(n.saturating_mul(per_chunk));
        if wanted != payload.len() {
            return Err(format!("a sparse index of {} bytes states {wanted}", payload.len()));
        }
        let prefix = reader.take(prefix_len).map_err(short)?;
        let positions = numbers(reader.take(n * 8).map_err(short)?, u64::from_be_bytes);
        let lengths = numbers(reader.take(n * 4).map_err(short)?, u32::from_be_bytes);
        let ends = numbers(reader.take(n * 4).map_err(short)?, u32::from_be_bytes);
        let keys = reader.take(key_bytes).map_err(short)?;
        let seqs = numbers(reader.rest(), u64::from_be_bytes);
        if ends.last().copied().unwrap_or(0) as usize != key_bytes || !ends.is_sorted() {
            return Err("the ends of the separators do not ascend".into());
        }
        let index = Self {
            prefix: prefix.into(),
            heads: Heads::new(Vec::new()),
            positions,
            lengths,
            ends,
            keys: keys.into(),
            seqs,
        };
        index.check_order()?;
        let heads = (0..n).map(|i| key_head(index.suffix(i))).collect();
        Ok(Self { heads: Heads::new(heads), ..index })
    }

    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let numbers = self.positions.len() * 16 + self.seqs.len() * 8;
        self.heads.memory_bytes() + numbers + self.keys.len() + self.prefix.len()
    }

    pub(crate) fn chunk(&self, i: usize) -> Option<IndexedChunk> {
        let position = ChunkPosition(*self.positions.get(i)?);
        Some(IndexedChunk { position, stored_bytes: *self.lengths.get(i)? })
    }

    /// The separator without the prefix; empty if there is none.
    pub(crate) fn suffix(&self, i: usize) -> &[u8] {
        let start = i.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(i).copied().unwrap_or(start);
        self.keys.get(start as usize..end as usize).unwrap_or(&[])
    }

    pub(crate) fn separator(&self, i: usize) -> Vec<u8> {
        [&self.prefix, self.suffix(i)].concat()
    }

    pub(crate) fn seq(&self, i: usize) -> u64 {
        self.seqs.get(i).copied().unwrap_or(NEW_KEY)
    }

    /// Whether chunk `i` begins with a version of `key`, which other chunks hold versions of too.
    pub(crate) fn continues(&self, i: usize, key: &[u8]) -> bool {
        self.seqs.get(i).is_some_and(|&seq| seq != NEW_KEY)
            && key.strip_prefix(&*self.prefix) == Some(self.suffix(i))
    }

    /// The chunk in which (key, seq) lies if it is anywhere: the last whose separator is not behind it.
    /// `None`: before all chunks.
    #[inline]
    pub(crate) fn find(&self, key: &[u8], seq: u64) -> Option<usize> {
        let Some(wanted) = strip_prefix(key, &self.prefix) else {
            return if key < &*self.prefix { None } else { self.len().checked_sub(1) };
        };
        let head = key_head(wanted);
        let count = self.heads.count_up_to(head);
        let last = count.checked_sub(1)?;
        if self.heads.get(last) != Some(head) {
            return Some(last);
        }
        self.find_among_equal_heads(wanted, seq, head, count)
    }

    #[inline(never)]
    fn find_among_equal_heads(&self, wanted: &[u8], seq: u64, head: u64, count: usize) -> Option<usize> {
        let mut low = head.checked_sub(1).map_or(0, |below| self.heads.count_up_to(below));
        let mut high = count;
        while low < high {
            let middle = low + (high - low) / 2;
            if self.is_behind(middle, wanted, seq) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low.checked_sub(1)
    }

    fn is_behind(&self, i: usize, wanted: &[u8], seq: u64) -> bool {
        match self.suffix(i).cmp(wanted) {
            Ordering::Less => false,
            Ordering::Equal => self.seq(i) < seq,
            Ordering::Greater => true,
        }
    }

    fn check_order(&self) -> Result<(), String> {
        for i in 1..self.len() {
            let ascend = match self.suffix(i - 1).cmp(self.suffix(i)) {
                Ordering::Less => true,
                Ordering::Equal => self.seq(i - 1) > self.seq(i),
                Ordering::Greater => false,
            };
            if !ascend {
                return Err(format!("separator {i} is not behind the one before"));
            }
            let before = self.chunk(i - 1).map(|chunk| chunk.position.after(chunk.stored_bytes));
            if before > self.chunk(i).map(|chunk| chunk.position) {
                return Err(format!("chunk {i} overlaps the one before"));
            }
        }
        Ok(())
    }
}

/// Splits bytes into numbers; what does not fill a number is left out.
fn numbers<T, const N: usize>(bytes: &[u8], parse: fn([u8; N]) -> T) -> Box<[T]> {
    bytes.as_chunks::<N>().0.iter().map(|&number| parse(number)).collect()
}
