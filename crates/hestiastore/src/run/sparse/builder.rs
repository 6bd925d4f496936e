//! Gathers separators and writes the index's payload.

use super::{HAS_SEQS, NEW_KEY};
use crate::chunk::WrittenChunk;
use crate::run::keys::common_prefix;

#[derive(Debug, Default)]
pub(crate) struct SparseIndexBuilder {
    keys: Vec<u8>,
    ends: Vec<u32>,
    seqs: Vec<u64>,
    positions: Vec<u64>,
    lengths: Vec<u32>,
}

impl SparseIndexBuilder {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.keys.len() + self.len() * 24) as u64
    }

    /// `last_before` is the last key of the chunk before, `first` and `seq` begin this chunk.
    pub(crate) fn push(&mut self, last_before: Option<&[u8]>, first: &[u8], seq: u64, chunk: WrittenChunk) {
        let (separator, seq) = match last_before {
            Some(last) if last == first => (first, seq),
            Some(last) => (first.get(..common_prefix(last, first) + 1).unwrap_or(first), NEW_KEY),
            None => (first, NEW_KEY),
        };
        self.keys.extend_from_slice(separator);
        self.ends.push(self.keys.len() as u32);
        self.seqs.push(seq);
        self.positions.push(chunk.position.0);
        self.lengths.push(chunk.stored_bytes);
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let n = self.len();
        let last = n.checked_sub(1).map_or(&[][..], |last| self.key(last));
        let prefix_len = common_prefix(self.key(0), last);
        let has_seqs = self.seqs.iter().any(|&seq| seq != NEW_KEY);
        let flags = if has_seqs { HAS_SEQS } else { 0 };
        let suffix_bytes = self.keys.len() - n * prefix_len;

        let mut out = Vec::new();
        for field in [n as u32, suffix_bytes as u32, prefix_len as u32, flags] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        out.extend_from_slice(last.get(..prefix_len).unwrap_or(&[]));
        self.positions.iter().for_each(|cell| out.extend_from_slice(&cell.to_be_bytes()));
        self.lengths.iter().for_each(|length| out.extend_from_slice(&length.to_be_bytes()));
        for (i, end) in self.ends.iter().enumerate() {
            let end = end - ((i + 1) * prefix_len) as u32;
            out.extend_from_slice(&end.to_be_bytes());
        }
        for i in 0..n {
            out.extend_from_slice(self.key(i).get(prefix_len..).unwrap_or(&[]));
        }
        if has_seqs {
            self.seqs.iter().for_each(|seq| out.extend_from_slice(&seq.to_be_bytes()));
        }
        out
    }

    fn key(&self, i: usize) -> &[u8] {
        let start = i.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(i).copied().unwrap_or(start);
        self.keys.get(start as usize..end as usize).unwrap_or(&[])
    }
}
