//! Gathers entries and lays them out as a chunk's payload.

use super::column::{offset_width, put_offset};
use super::{FINGERPRINT_UNIT, HAS_KINDS, HEADER_BYTES};
use crate::run::EntryKind;
use crate::run::keys::common_prefix;

/// Entries of the chunk being filled. The caller guarantees their order.
#[derive(Debug, Default)]
pub(crate) struct EntryChunkBuilder {
    keys: Vec<u8>,
    key_ends: Vec<u32>,
    values: Vec<u8>,
    value_ends: Vec<u32>,
    kinds: Vec<u8>,
    seqs: Vec<u64>,
    fingerprints: Vec<u8>,
}

impl EntryChunkBuilder {
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.seqs.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.seqs.len()
    }

    /// An upper bound of the payload's length, near it where keys share no prefix.
    pub(crate) fn bytes(&self) -> usize {
        const PER_ENTRY: usize = 10;
        HEADER_BYTES + self.keys.len() + self.values.len() + self.len() * PER_ENTRY
    }

    pub(crate) fn push(&mut self, key: &[u8], hash: u64, seq: u64, kind: EntryKind, value: &[u8]) {
        self.keys.extend_from_slice(key);
        self.key_ends.push(self.keys.len() as u32);
        self.values.extend_from_slice(value);
        self.value_ends.push(self.values.len() as u32);
        self.kinds.push(kind as u8);
        self.seqs.push(seq);
        self.fingerprints.push(hash as u8);
    }

    /// The first key and its seq.
    pub(crate) fn first(&self) -> Option<(&[u8], u64)> {
        Some((self.key(0), *self.seqs.first()?))
    }

    /// Writes the payload to `out`, which is overwritten, and empties the builder.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let n = self.len();
        let prefix_len = match n {
            0 => 0,
            _ => common_prefix(self.key(0), self.key(n - 1)),
        };
        let suffix_bytes = self.keys.len() - n * prefix_len;
        let has_kinds = self.kinds.iter().any(|&kind| kind != EntryKind::Put as u8);
        let least_seq = self.seqs.iter().copied().min().unwrap_or(0);
        let greatest_seq = self.seqs.iter().copied().max().unwrap_or(0);
        let key_width = column_width(&self.key_ends, suffix_bytes);
        let value_width = column_width(&self.value_ends, self.values.len());
        let seq_width = seq_width(greatest_seq - least_seq);

        out.clear();
        out.extend_from_slice(&[u8::from(has_kinds) * HAS_KINDS, key_width, value_width, seq_width]);
        for field in [n, prefix_len, suffix_bytes, self.values.len(), 0] {
            out.extend_from_slice(&(field as u32).to_be_bytes());
        }
        out.extend_from_slice(&least_seq.to_be_bytes());
        out.extend_from_slice(&self.fingerprints);
        out.resize(HEADER_BYTES + n.next_multiple_of(FINGERPRINT_UNIT), 0);
        out.extend_from_slice(self.keys.get(..prefix_len).unwrap_or(&[]));
        let suffix_ends =
            self.key_ends.iter().enumerate().map(|(i, &end)| end - ((i + 1) * prefix_len) as u32);
        put_offsets(out, key_width, suffix_ends);
        for i in 0..n {
            out.extend_from_slice(self.key(i).get(prefix_len..).unwrap_or(&[]));
        }
        if has_kinds {
            out.extend_from_slice(&self.kinds);
        }
        for &seq in &self.seqs {
            let difference = (seq - least_seq).to_be_bytes();
            out.extend_from_slice(&difference[8 - usize::from(seq_width)..]);
        }
        put_offsets(out, value_width, self.value_ends.iter().copied());
        out.extend_from_slice(&self.values);
        self.clear();
    }

    fn key(&self, i: usize) -> &[u8] {
        let start = i.checked_sub(1).and_then(|before| self.key_ends.get(before)).copied().unwrap_or(0);
        let end = self.key_ends.get(i).copied().unwrap_or(start);
        self.keys.get(start as usize..end as usize).unwrap_or(&[])
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.key_ends.clear();
        self.values.clear();
        self.value_ends.clear();
        self.kinds.clear();
        self.seqs.clear();
        self.fingerprints.clear();
    }
}

/// 0 if all strings have one length.
fn column_width(ends: &[u32], total: usize) -> u8 {
    let first = ends.first().copied().unwrap_or(0);
    let one_length = ends.windows(2).all(|pair| pair[1] - pair[0] == first);
    if one_length { 0 } else { offset_width(total) }
}

fn seq_width(spread: u64) -> u8 {
    match spread {
        0 => 0,
        1..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    }
}

fn put_offsets(out: &mut Vec<u8>, width: u8, ends: impl Iterator<Item = u32>) {
    if width == 0 {
        return;
    }
    put_offset(out, width, 0);
    for end in ends {
        put_offset(out, width, end);
    }
}
