//! What a run tells about itself (F6), enough to rebuild a lost manifest.
//!
//! Tagged fields: u16 tag (its high bit: critical), u32 length, bytes. A reader skips fields it does
//! not know, unless they are critical. A field stands once; an absent field has its default.

use super::RunIdentity;
use crate::bytes::{Reader, Short};
use crate::chunk::FilterPipeline;
use crate::error::{Error, Result};

/// The file's own facts beside its identity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunProperties {
    pub(crate) identity: RunIdentity,
    pub(crate) pipeline: FilterPipeline,
    /// Least and greatest seq covered, also where seqs were zeroed; `None` if nothing was covered.
    pub(crate) seqs: Option<(u64, u64)>,
    pub(crate) entries: u64,
    /// Different keys.
    pub(crate) keys: u64,
    pub(crate) tombstones: u64,
    pub(crate) range_tombstones: u64,
    pub(crate) entry_chunks: u64,
    pub(crate) value_chunks: u64,
    /// In wall-clock microseconds; `None` if nothing expires.
    pub(crate) least_expiry_micros: Option<u64>,
    pub(crate) filter: FilterKind,
    pub(crate) hash_id: u8,
    pub(crate) hash_seed: u64,
    pub(crate) first_key: Vec<u8>,
    pub(crate) last_key: Vec<u8>,
    /// Bytes of all keys and of all values as they were added.
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    pub(crate) largest_stored_chunk: u32,
    pub(crate) largest_decoded_chunk: u32,
    pub(crate) largest_stored_value: u32,
    pub(crate) largest_decoded_value: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FilterKind {
    None = 0,
    BlockedBloom = 1,
}

/// XXH3-64 with a seed.
pub(crate) const HASH_XXH3_64: u8 = 1;

const CRITICAL: u16 = 0x8000;

/// Fields that a reader must understand have the critical bit in their tag.
mod tag {
    use super::CRITICAL;
    pub(super) const UID: u16 = 1 | CRITICAL;
    pub(super) const INDEX_UUID: u16 = 2 | CRITICAL;
    pub(super) const KEY_TYPE: u16 = 3;
    pub(super) const VALUE_TYPE: u16 = 4;
    pub(super) const PIPELINE: u16 = 5 | CRITICAL;
    pub(super) const SEGMENT: u16 = 6;
    pub(super) const RANK: u16 = 7;
    pub(super) const EDIT_NUMBER: u16 = 8;
    pub(super) const INPUTS: u16 = 9;
    pub(super) const ANSWERED_LOWER: u16 = 10;
    pub(super) const ANSWERED_UPPER: u16 = 11;
    pub(super) const SEQS: u16 = 12;
    pub(super) const COUNTS: u16 = 13 | CRITICAL;
    pub(super) const LEAST_EXPIRY: u16 = 14;
    pub(super) const FILTER: u16 = 15 | CRITICAL;
    pub(super) const FIRST_KEY: u16 = 16;
    pub(super) const LAST_KEY: u16 = 17;
    pub(super) const RAW_BYTES: u16 = 18;
    pub(super) const LARGEST: u16 = 19 | CRITICAL;
    pub(super) const SALVAGED_FROM: u16 = 20;
}

impl RunProperties {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let identity = &self.identity;
        let mut out = Vec::new();
        put(&mut out, tag::UID, &identity.uid.to_be_bytes());
        put(&mut out, tag::INDEX_UUID, &identity.index_uuid.to_be_bytes());
        put(&mut out, tag::KEY_TYPE, identity.key_type.as_bytes());
        put(&mut out, tag::VALUE_TYPE, identity.value_type.as_bytes());
        put(&mut out, tag::PIPELINE, &self.pipeline.encode());
        put(&mut out, tag::SEGMENT, &identity.segment.to_be_bytes());
        put(&mut out, tag::RANK, &identity.rank.to_be_bytes());
        put(&mut out, tag::EDIT_NUMBER, &identity.edit_number.to_be_bytes());
        put_u64s(&mut out, tag::INPUTS, &identity.inputs);
        put(&mut out, tag::ANSWERED_LOWER, &identity.answered_lower);
        if let Some(upper) = &identity.answered_upper {
            put(&mut out, tag::ANSWERED_UPPER, upper);
        }
        if let Some((least, greatest)) = self.seqs {
            put_u64s(&mut out, tag::SEQS, &[least, greatest]);
        }
        let counts = [
            self.entries,
            self.keys,
            self.tombstones,
            self.range_tombstones,
            self.entry_chunks,
            self.value_chunks,
        ];
        put_u64s(&mut out, tag::COUNTS, &counts);
        if let Some(expiry) = self.least_expiry_micros {
            put(&mut out, tag::LEAST_EXPIRY, &expiry.to_be_bytes());
        }
        let mut filter = vec![self.filter as u8, self.hash_id];
        filter.extend_from_slice(&self.hash_seed.to_be_bytes());
        put(&mut out, tag::FILTER, &filter);
        put(&mut out, tag::FIRST_KEY, &self.first_key);
        put(&mut out, tag::LAST_KEY, &self.last_key);
        put_u64s(&mut out, tag::RAW_BYTES, &[self.key_bytes, self.value_bytes]);
        if let Some(uid) = identity.salvaged_from {
            put(&mut out, tag::SALVAGED_FROM, &uid.to_be_bytes());
        }
        let largest = [
            self.largest_stored_chunk,
            self.largest_decoded_chunk,
            self.largest_stored_value,
            self.largest_decoded_value,
        ];
        put(&mut out, tag::LARGEST, largest.map(u32::to_be_bytes).as_flattened());
        out
    }

    pub(crate) fn decode(payload: &[u8], file: &str, offset: u64) -> Result<Self> {
        let mut properties = Self::empty();
        let mut reader = Reader::new(payload);
        let mut seen = Vec::new();
        while !reader.is_empty() {
            let damaged = |detail: String| Error::corruption(file, offset, detail);
            let (tag, bytes) =
                read_field(&mut reader).map_err(|_| damaged("the properties are cut off".into()))?;
            if seen.contains(&tag) {
                return Err(damaged(format!("property {tag:#06x} stands twice")));
            }
            seen.push(tag);
            match properties.set(tag, bytes, file) {
                Ok(true) => {}
                Ok(false) if tag & CRITICAL == 0 => {}
                Ok(false) => {
                    let detail = format!("property {tag:#06x} is not known");
                    return Err(Error::Unsupported { file: file.into(), detail });
                }
                Err(FieldError::Other(error)) => return Err(error),
                Err(FieldError::Malformed) => {
                    return Err(damaged(format!("property {tag:#06x} is malformed")));
                }
            }
        }
        let needed = [tag::UID, tag::INDEX_UUID, tag::PIPELINE, tag::COUNTS, tag::FILTER, tag::LARGEST];
        match needed.into_iter().find(|tag| !seen.contains(tag)) {
            None => Ok(properties),
            Some(tag) => Err(Error::corruption(file, offset, format!("property {tag:#06x} is missing"))),
        }
    }

    pub(super) fn empty() -> Self {
        Self {
            identity: RunIdentity::default(),
            pipeline: FilterPipeline::default(),
            seqs: None,
            entries: 0,
            keys: 0,
            tombstones: 0,
            range_tombstones: 0,
            entry_chunks: 0,
            value_chunks: 0,
            least_expiry_micros: None,
            filter: FilterKind::None,
            hash_id: HASH_XXH3_64,
            hash_seed: 0,
            first_key: Vec::new(),
            last_key: Vec::new(),
            key_bytes: 0,
            value_bytes: 0,
            largest_stored_chunk: 0,
            largest_decoded_chunk: 0,
            largest_stored_value: 0,
            largest_decoded_value: 0,
        }
    }

    /// `false`: the tag is not known.
    fn set(&mut self, tag: u16, bytes: &[u8], file: &str) -> Result<bool, FieldError> {
        let identity = &mut self.identity;
        match tag {
            tag::UID => identity.uid = u64::from_be_bytes(fixed(bytes)?),
            tag::INDEX_UUID => identity.index_uuid = u128::from_be_bytes(fixed(bytes)?),
            tag::KEY_TYPE => identity.key_type = text(bytes)?,
            tag::VALUE_TYPE => identity.value_type = text(bytes)?,
            tag::PIPELINE => {
                self.pipeline = FilterPipeline::decode(fixed(bytes)?, file).map_err(FieldError::Other)?;
            }
            tag::SEGMENT => identity.segment = u64::from_be_bytes(fixed(bytes)?),
            tag::RANK => identity.rank = u64::from_be_bytes(fixed(bytes)?),
            tag::EDIT_NUMBER => identity.edit_number = u64::from_be_bytes(fixed(bytes)?),
            tag::INPUTS => identity.inputs = u64s(bytes)?,
            tag::ANSWERED_LOWER => identity.answered_lower = bytes.to_vec(),
            tag::ANSWERED_UPPER => identity.answered_upper = Some(bytes.to_vec()),
            tag::SEQS => self.seqs = Some(pair(bytes)?),
            tag::COUNTS => self.set_counts(&u64s(bytes)?)?,
            tag::LEAST_EXPIRY => self.least_expiry_micros = Some(u64::from_be_bytes(fixed(bytes)?)),
            tag::FILTER => self.set_filter(bytes, file)?,
            tag::FIRST_KEY => self.first_key = bytes.to_vec(),
            tag::LAST_KEY => self.last_key = bytes.to_vec(),
            tag::RAW_BYTES => (self.key_bytes, self.value_bytes) = pair(bytes)?,
            tag::LARGEST => self.set_largest(bytes)?,
            tag::SALVAGED_FROM => identity.salvaged_from = Some(u64::from_be_bytes(fixed(bytes)?)),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_counts(&mut self, counts: &[u64]) -> Result<(), FieldError> {
        let &[entries, keys, tombstones, range_tombstones, entry_chunks, value_chunks] = counts else {
            return Err(FieldError::Malformed);
        };
        self.entries = entries;
        self.keys = keys;
        self.tombstones = tombstones;
        self.range_tombstones = range_tombstones;
        self.entry_chunks = entry_chunks;
        self.value_chunks = value_chunks;
        Ok(())
    }

    fn set_filter(&mut self, bytes: &[u8], file: &str) -> Result<(), FieldError> {
        let Some((&[kind, hash_id], seed)) = bytes.split_first_chunk() else {
            return Err(FieldError::Malformed);
        };
        let unsupported = |detail| FieldError::Other(Error::Unsupported { file: file.into(), detail });
        self.filter = match kind {
            0 => FilterKind::None,
            1 => FilterKind::BlockedBloom,
            _ => return Err(unsupported(format!("filter kind {kind} is not known"))),
        };
        if hash_id != HASH_XXH3_64 {
            return Err(unsupported(format!("hash {hash_id} is not known")));
        }
        self.hash_id = hash_id;
        self.hash_seed = u64::from_be_bytes(fixed(seed)?);
        Ok(())
    }

    fn set_largest(&mut self, bytes: &[u8]) -> Result<(), FieldError> {
        let (fields, []) = bytes.as_chunks::<4>() else {
            return Err(FieldError::Malformed);
        };
        let &[a, b, c, d] = fields else {
            return Err(FieldError::Malformed);
        };
        self.largest_stored_chunk = u32::from_be_bytes(a);
        self.largest_decoded_chunk = u32::from_be_bytes(b);
        self.largest_stored_value = u32::from_be_bytes(c);
        self.largest_decoded_value = u32::from_be_bytes(d);
        Ok(())
    }
}

#[derive(Debug)]
enum FieldError {
    Malformed,
    Other(Error),
}

fn put(out: &mut Vec<u8>, tag: u16, bytes: &[u8]) {
    out.extend_from_slice(&tag.to_be_bytes());
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn put_u64s(out: &mut Vec<u8>, tag: u16, numbers: &[u64]) {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    put(out, tag, &bytes);
}

fn read_field<'a>(reader: &mut Reader<'a>) -> Result<(u16, &'a [u8]), Short> {
    let tag = reader.u16()?;
    let length = reader.u32()? as usize;
    Ok((tag, reader.take(length)?))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], FieldError> {
    bytes.try_into().map_err(|_| FieldError::Malformed)
}

fn text(bytes: &[u8]) -> Result<String, FieldError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| FieldError::Malformed)
}

fn u64s(bytes: &[u8]) -> Result<Vec<u64>, FieldError> {
    match bytes.as_chunks::<8>() {
        (numbers, []) => Ok(numbers.iter().map(|&number| u64::from_be_bytes(number)).collect()),
        _ => Err(FieldError::Malformed),
    }
}

fn pair(bytes: &[u8]) -> Result<(u64, u64), FieldError> {
    match *u64s(bytes)? {
        [first, second] => Ok((first, second)),
        _ => Err(FieldError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> RunProperties {
        RunProperties {
            identity: RunIdentity {
                index_uuid: 7,
                uid: 9,
                key_type: "string".into(),
                value_type: "u64".into(),
                segment: 3,
                rank: 4,
                edit_number: 5,
                inputs: vec![1, 2],
                salvaged_from: Some(8),
                answered_lower: b"a".to_vec(),
                answered_upper: Some(b"z".to_vec()),
            },
            seqs: Some((10, 20)),
            entries: 6,
            keys: 5,
            least_expiry_micros: Some(99),
            filter: FilterKind::BlockedBloom,
            hash_seed: 11,
            first_key: b"b".to_vec(),
            last_key: b"y".to_vec(),
            largest_decoded_chunk: 4096,
            ..RunProperties::empty()
        }
    }

    #[test]
    fn f6_properties_round_trip() {
        let encoded = example().encode();
        assert_eq!(RunProperties::decode(&encoded, "f", 0).unwrap(), example());
        for length in 0..encoded.len() {
            let _ = RunProperties::decode(&encoded[..length], "f", 0).unwrap_err();
        }
    }

    #[test]
    fn f6_another_hash_is_refused() {
        let encoded = RunProperties { hash_id: HASH_XXH3_64 + 1, ..example() }.encode();
        let error = RunProperties::decode(&encoded, "f", 0).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }

    #[test]
    fn f1_unknown_fields_are_skipped_unless_critical() {
        let mut encoded = example().encode();
        put(&mut encoded, 500, b"new");
        assert_eq!(RunProperties::decode(&encoded, "f", 0).unwrap(), example());
        put(&mut encoded, 501 | CRITICAL, b"new");
        let error = RunProperties::decode(&encoded, "f", 0).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
}
