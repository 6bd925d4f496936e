//! A decoded chunk of entries: point lookup, ordered search, access by number.

use std::cmp::Ordering;

use super::column::{Column, read_u16, read_u32, read_u64};
use super::fingerprints::{UNITS_PER_MASK, matches};
use super::{FINGERPRINT_UNIT, HAS_KINDS, HEADER_BYTES};
use crate::bytes::{Reader, key_head};
use crate::run::EntryKind;
use crate::run::cache::Charge;
use crate::run::keys::{equal, strip_prefix};
use crate::sync::atomic::AtomicU8;

/// Why bytes with a fitting checksum are no chunk of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// They contradict themselves.
    Damaged(String),
    /// They are of a later format.
    Unknown(String),
}

impl From<String> for ParseError {
    fn from(detail: String) -> Self {
        Self::Damaged(detail)
    }
}

/// Entries, parsed once into offsets beside their bytes. Immutable but for the cache's mark.
#[derive(Debug)]
pub(crate) struct EntryChunk {
    payload: Box<[u8]>,
    count: u32,
    prefix_at: u32,
    prefix_len: u32,
    kinds_at: Option<u32>,
    seqs_at: u32,
    seq_width: u8,
    /// How often it was used lately; the cache's own.
    pub(in crate::run) uses: AtomicU8,
    pub(in crate::run) charge: Option<Charge>,
    keys: Column,
    values: Column,
    least_seq: u64,
}

impl EntryChunk {
    /// Checks everything that later accesses rely on.
    pub(crate) fn parse(payload: Vec<u8>) -> Result<Self, ParseError> {
        let header = Header::read(&payload)?;
        let count = header.count as usize;
        let prefix_at = HEADER_BYTES.saturating_add(count.next_multiple_of(FINGERPRINT_UNIT));
        let keys_at = prefix_at.saturating_add(header.prefix_len as usize);
        let (keys, at) =
            Column::parse(&payload, keys_at, header.key_width, count, header.suffix_bytes as usize)?;
        let has_kinds = header.flags & HAS_KINDS != 0;
        let seqs_at = at.saturating_add(if has_kinds { count } else { 0 });
        if has_kinds {
            let kinds = payload.get(at..seqs_at).ok_or_else(|| "the kinds are cut off".to_owned())?;
            check_kinds(kinds)?;
        }
        let values_at = seqs_at.saturating_add(count.saturating_mul(usize::from(header.seq_width)));
        let (values, end) =
            Column::parse(&payload, values_at, header.value_width, count, header.value_bytes as usize)?;
        if end != payload.len() {
            return Err(format!("the columns end at {end}, the payload at {}", payload.len()).into());
        }
        Ok(Self {
            count: header.count,
            prefix_at: prefix_at as u32,
            prefix_len: header.prefix_len,
            kinds_at: has_kinds.then_some(at as u32),
            seqs_at: seqs_at as u32,
            seq_width: header.seq_width,
            uses: AtomicU8::new(0),
            charge: None,
            keys,
            values,
            least_seq: header.least_seq,
            payload: payload.into_boxed_slice(),
        })
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }

    /// Memory taken, with the struct itself.
    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.payload.len() + size_of::<Self>()) as u64
    }

    /// The prefix that all keys share.
    #[inline]
    pub(crate) fn prefix(&self) -> &[u8] {
        let at = self.prefix_at as usize;
        self.payload.get(at..at + self.prefix_len as usize).unwrap_or(&[])
    }

    #[inline]
    pub(crate) fn prefix_len(&self) -> usize {
        self.prefix_len as usize
    }

    /// Whether any entry is anything but a plain put.
    #[inline]
    pub(crate) fn has_kinds(&self) -> bool {
        self.kinds_at.is_some()
    }

    /// What follows the prefix in key `i`.
    #[inline]
    pub(crate) fn suffix(&self, i: usize) -> &[u8] {
        self.keys.get(&self.payload, i)
    }

    #[inline]
    pub(crate) fn seq(&self, i: usize) -> u64 {
        let at = self.seqs_at as usize + i * usize::from(self.seq_width);
        let difference = match self.seq_width {
            0 => 0,
            1 => self.payload.get(at).map_or(0, |&byte| u64::from(byte)),
            2 => u64::from(read_u16(&self.payload, at)),
            4 => u64::from(read_u32(&self.payload, at)),
            _ => read_u64(&self.payload, at),
        };
        self.least_seq.wrapping_add(difference)
    }

    /// The kind as stored: a pointer is a pointer.
    #[inline]
    pub(crate) fn kind(&self, i: usize) -> EntryKind {
        let Some(at) = self.kinds_at else {
            return EntryKind::Put;
        };
        let stored = self.payload.get(at as usize + i).copied();
        stored.and_then(EntryKind::from_number).unwrap_or(EntryKind::Put)
    }

    /// The value as stored: of a pointer, where it points.
    #[inline]
    pub(crate) fn value(&self, i: usize) -> &[u8] {
        self.values.get(&self.payload, i)
    }

    /// Where the value lies in the payload.
    #[inline]
    pub(crate) fn value_range(&self, i: usize) -> (u32, u32) {
        let (start, end) = self.values.range(&self.payload, i);
        (start as u32, end as u32)
    }

    #[inline]
    pub(crate) fn slice(&self, start: u32, end: u32) -> &[u8] {
        self.payload.get(start as usize..end as usize).unwrap_or(&[])
    }

    /// The newest version of `key` with a seq up to `snapshot_seq`: fingerprints first, then the keys
    /// that they point out.
    #[inline]
    pub(crate) fn find(&self, key: &[u8], hash: u64, snapshot_seq: u64) -> Option<usize> {
        let wanted = strip_prefix(key, self.prefix())?;
        let first = self.find_key(wanted, hash as u8)?;
        if self.seq(first) <= snapshot_seq {
            return Some(first);
        }
        let versions = first + 1..self.len();
        let at = partition_point(versions, |i| self.seq(i) > snapshot_seq && equal(self.suffix(i), wanted));
        (at < self.len() && equal(self.suffix(at), wanted)).then_some(at)
    }

    /// The number of entries before (key, seq) in the order of entries.
    pub(crate) fn lower_bound(&self, key: &[u8], seq: u64) -> usize {
        let prefix = self.prefix();
        let Some(wanted) = key.strip_prefix(prefix) else {
            return if key < prefix { 0 } else { self.len() };
        };
        let wanted_head = key_head(wanted);
        partition_point(0..self.len(), |i| {
            let suffix = self.suffix(i);
            match key_head(suffix).cmp(&wanted_head).then_with(|| suffix.cmp(wanted)) {
                Ordering::Less => true,
                Ordering::Equal => self.seq(i) > seq,
                Ordering::Greater => false,
            }
        })
    }

    /// The number of entries whose key is smaller.
    pub(crate) fn lower_bound_key(&self, key: &[u8]) -> usize {
        self.lower_bound(key, u64::MAX)
    }

    /// The stored fingerprint, for a check of the file.
    pub(crate) fn fingerprint(&self, i: usize) -> u8 {
        self.payload.get(HEADER_BYTES + i).copied().unwrap_or(0)
    }

    /// The first entry with this suffix.
    #[inline]
    fn find_key(&self, wanted: &[u8], fingerprint: u8) -> Option<usize> {
        let fingerprints = self.payload.get(HEADER_BYTES..self.prefix_at as usize)?;
        let (units, _) = fingerprints.as_chunks::<FINGERPRINT_UNIT>();
        for (group, units) in units.chunks(UNITS_PER_MASK).enumerate() {
            let mut candidates = 0u64;
            for (at, unit) in units.iter().enumerate() {
                candidates |= u64::from(matches(unit, fingerprint)) << (at * FINGERPRINT_UNIT);
            }
            while candidates != 0 {
                let i = group * u64::BITS as usize + candidates.trailing_zeros() as usize;
                candidates &= candidates - 1;
                if i < self.len() && equal(self.suffix(i), wanted) {
                    return Some(i);
                }
            }
        }
        None
    }
}

/// The first number in the range for which the predicate does not hold.
#[inline]
fn partition_point(range: std::ops::Range<usize>, mut holds: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn check_kinds(kinds: &[u8]) -> Result<(), ParseError> {
    match kinds.iter().find(|&&kind| EntryKind::from_number(kind).is_none()) {
        None => Ok(()),
        Some(kind) => Err(ParseError::Unknown(format!("entry kind {kind} is not known"))),
    }
}

struct Header {
    flags: u8,
    key_width: u8,
    value_width: u8,
    seq_width: u8,
    count: u32,
    prefix_len: u32,
    suffix_bytes: u32,
    value_bytes: u32,
    least_seq: u64,
}

impl Header {
    fn read(payload: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(payload);
        let mut fields = || -> Result<Self, crate::bytes::Short> {
            let (flags, key_width, value_width, seq_width) =
                (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
            let (count, prefix_len, suffix_bytes, value_bytes) =
                (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
            reader.u32()?;
            let least_seq = reader.u64()?;
            Ok(Self {
                flags,
                key_width,
                value_width,
                seq_width,
                count,
                prefix_len,
                suffix_bytes,
                value_bytes,
                least_seq,
            })
        };
        let header = fields().map_err(|_| format!("an entry chunk of {} bytes", payload.len()))?;
        if header.flags & !HAS_KINDS != 0 {
            return Err(ParseError::Unknown(format!("flags {:#04x} are not known", header.flags)));
        }
        if !matches!(header.seq_width, 0 | 1 | 2 | 4 | 8) {
            return Err(format!("seqs of {} bytes", header.seq_width).into());
        }
        if header.count == 0 || header.count as usize > payload.len() {
            return Err(format!("{} entries in {} bytes", header.count, payload.len()).into());
        }
        Ok(header)
    }
}
