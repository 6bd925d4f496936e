//! Writes a run: chunks as they fill, then the sections, then its name.

use std::sync::Arc;

use super::bloom::{BloomShape, encode_filter};
use super::entries::EntryChunkBuilder;
use super::footer::{FOOTER_BYTES, Footer};
use super::properties::{FilterKind, HASH_XXH3_64, RunProperties};
use super::settings::{
    EntryKind, MAX_KEY_BYTES, MAX_VALUE_BYTES, RUN_MAGIC, RUN_VERSION, RunIdentity, RunSettings, key_hash,
    run_file_name, split_expiry,
};
use super::sparse::SparseIndexBuilder;
use super::value::{StoredValueChunk, VALUE_CHUNK_BYTES, ValuePointer};
use crate::block::BlockFileWriter;
use crate::chunk::filter::Section;
use crate::chunk::{ChunkType, ChunkWriter, FilterPipeline, WrittenChunk};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::file_header::FileHeader;

/// A finished run: synced and under its name, which is durable after a sync of the directory.
#[derive(Debug, Clone)]
pub(crate) struct RunSummary {
    pub(crate) properties: RunProperties,
    pub(crate) file_bytes: u64,
}

/// Takes entries in order. Dropped before [`RunWriter::finish`] it removes its file, as well as it can.
#[derive(Debug)]
pub(crate) struct RunWriter {
    chunks: ChunkWriter,
    file: TemporaryFile,
    settings: RunSettings,
    properties: RunProperties,
    entries: EntryChunkBuilder,
    sparse: SparseIndexBuilder,
    /// Hashes of the different keys, for the filter.
    hashes: Vec<u64>,
    last_key: Vec<u8>,
    last_seq: u64,
    /// The last key of the chunk written last.
    last_key_of_chunk: Option<Vec<u8>>,
    payload: Vec<u8>,
}

impl RunWriter {
    /// Begins `<name>.tmp`.
    pub(crate) fn create(
        directory: &Arc<dyn Directory>,
        settings: &RunSettings,
        identity: RunIdentity,
    ) -> Result<Self> {
        settings.check()?;
        let name = run_file_name(identity.uid);
        let temporary = format!("{name}.tmp");
        let opened = directory.create(&temporary);
        let opened = opened.map_err(|source| Error::io("create", temporary.as_str(), source))?;
        let file = TemporaryFile {
            directory: Arc::clone(directory),
            name,
            temporary,
            may_have_name: false,
            done: false,
        };
        let header = FileHeader {
            magic: RUN_MAGIC,
            version: RUN_VERSION,
            compatible: 0,
            incompatible: 0,
            index_uuid: identity.index_uuid,
            file_uid: identity.uid,
            parameter: settings.block_bytes,
            wide_parameter: 0,
        };
        let buffer_bytes = settings.buffer_bytes as usize;
        let blocks = BlockFileWriter::new(opened, file.temporary.clone(), &header, buffer_bytes)?;
        Ok(Self {
            chunks: ChunkWriter::new(blocks, identity.uid, settings.pipeline.clone()),
            file,
            properties: RunProperties::new(identity, settings.pipeline.clone(), settings.hash_seed),
            settings: settings.clone(),
            entries: EntryChunkBuilder::default(),
            sparse: SparseIndexBuilder::default(),
            hashes: Vec::new(),
            last_key: Vec::new(),
            last_seq: 0,
            last_key_of_chunk: None,
            payload: Vec::new(),
        })
    }

    /// Appends a version. Keys ascend, and seqs descend under one key; anything else is an error. The value of
    /// a `PutExpiry` begins with its expiry.
    pub(crate) fn add(&mut self, key: &[u8], seq: u64, kind: EntryKind, value: &[u8]) -> Result<()> {
        self.check(key, seq, kind, value.len())?;
        let expiry_micros = match kind {
            EntryKind::PutExpiry => match split_expiry(value) {
                Some((expiry, _)) => Some(expiry),
                None => {
                    return Err(self.misuse(format!("an expiring value of {} bytes", value.len())));
                }
            },
            _ => None,
        };
        if value.len() <= VALUE_CHUNK_BYTES {
            return self.push(key, seq, (kind, kind), expiry_micros, value, value.len());
        }
        let chunk = self.chunks.append(ChunkType::Value, Section::Data, value)?;
        self.push_pointer(key, seq, kind, expiry_micros, chunk)
    }

    /// Appends a version whose value is copied as it is stored in another run.
    pub(crate) fn add_value_chunk(&mut self, key: &[u8], seq: u64, stored: &StoredValueChunk) -> Result<()> {
        let expiry_micros = (stored.kind == EntryKind::PutExpiry).then_some(stored.expiry_micros);
        self.check(key, seq, stored.kind, stored.chunk.decoded_bytes as usize)?;
        if stored.pipeline != *self.chunks.pipeline() {
            let chunk = &stored.chunk;
            let value = stored.pipeline.revert(chunk.applied, &chunk.stored, chunk.decoded_bytes);
            let value = value.map_err(|detail| self.misuse(detail))?;
            return self.add(key, seq, stored.kind, &value);
        }
        let chunk = self.chunks.append_stored(&stored.chunk)?;
        self.push_pointer(key, seq, stored.kind, expiry_micros, chunk)
    }

    /// Different keys so far.
    pub(crate) fn keys(&self) -> u64 {
        self.properties.keys
    }

    /// Memory of all that is kept until the run is finished, and of the buffers.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let hashes = self.hashes.capacity() * size_of::<u64>();
        let buffers = self.settings.buffer_bytes as usize + self.payload.capacity() + self.entries.bytes();
        (hashes + buffers) as u64 + self.sparse.memory_bytes()
    }

    /// Near the length that the file would have if it were finished now.
    pub(crate) fn estimated_bytes(&self) -> u64 {
        let filter = self.filter_shape().map_or(0, |shape| u64::from(shape.blocks) * 64);
        self.chunks.payload_position() + self.entries.bytes() as u64 + self.sparse.memory_bytes() + filter
    }

    #[cfg(test)]
    pub(crate) fn entry_count(&self) -> u64 {
        self.properties.entries
    }

    /// Widens the range of seqs covered: for seqs that were zeroed, or whose entries were dropped.
    pub(crate) fn cover_seqs(&mut self, least: u64, greatest: u64) {
        let (low, high) = self.properties.seqs.unwrap_or((least, greatest));
        self.properties.seqs = Some((low.min(least), high.max(greatest)));
    }

    /// The range answered for ends before `upper`; what lies behind goes to another run.
    pub(crate) fn answer_until(&mut self, upper: Option<&[u8]>) {
        self.properties.identity.answered_upper = upper.map(<[u8]>::to_vec);
    }

    /// Writes the sections, makes the content durable, and gives the file its name.
    pub(crate) fn finish(mut self) -> Result<RunSummary> {
        self.finish_chunk()?;
        self.properties.last_key.clone_from(&self.last_key);
        let first_section = self.chunks.next_position();
        let sparse = self.sparse.encode();
        let sparse = self.chunks.append(ChunkType::SparseIndex, Section::Directory, &sparse)?;
        let filter = match self.filter_shape() {
            None => 0,
            Some(shape) => {
                self.properties.filter = FilterKind::BlockedBloom;
                let filter = encode_filter(shape, &self.hashes);
                self.chunks.append(ChunkType::BloomFilter, Section::Directory, &filter)?.stored_bytes
            }
        };
        let properties = self.properties.encode();
        let properties = self.chunks.append(ChunkType::Properties, Section::Directory, &properties)?;
        let footer = Footer {
            uid: self.properties.identity.uid,
            file_bytes: 0,
            first_section,
            section_bytes: [0, sparse.stored_bytes, filter, properties.stored_bytes],
            pipeline: self.settings.pipeline.encode(),
        };
        let trailer = |file_bytes| Footer { file_bytes, ..footer }.encode();
        let file_bytes = self.chunks.finish(trailer, FOOTER_BYTES as u64)?;
        self.file.give_name()?;
        Ok(RunSummary { properties: self.properties, file_bytes })
    }

    fn check(&self, key: &[u8], seq: u64, kind: EntryKind, value_bytes: usize) -> Result<()> {
        if key.len() > MAX_KEY_BYTES {
            return Err(Error::KeyTooLong { length: key.len(), limit: MAX_KEY_BYTES });
        }
        if value_bytes > MAX_VALUE_BYTES {
            return Err(Error::ValueTooLong { length: value_bytes, limit: MAX_VALUE_BYTES });
        }
        if matches!(kind, EntryKind::RangeDelete | EntryKind::ValuePointer) {
            return Err(self.misuse(format!("{kind:?} is no kind of an entry to add")));
        }
        let in_order = self.properties.entries == 0
            || key > &*self.last_key
            || (key == self.last_key && seq < self.last_seq);
        if !in_order {
            let (last, last_seq) = (&self.last_key, self.last_seq);
            return Err(self.misuse(format!(
                "entries are out of order: key {key:02x?} seq {seq} after key {last:02x?} seq {last_seq}"
            )));
        }
        Ok(())
    }

    fn push_pointer(
        &mut self,
        key: &[u8],
        seq: u64,
        kind: EntryKind,
        expiry_micros: Option<u64>,
        chunk: WrittenChunk,
    ) -> Result<()> {
        let properties = &mut self.properties;
        properties.value_chunks += 1;
        properties.largest_stored_value = properties.largest_stored_value.max(chunk.stored_bytes);
        properties.largest_decoded_value = properties.largest_decoded_value.max(chunk.decoded_bytes);
        let pointer = ValuePointer {
            kind,
            position: chunk.position,
            stored_bytes: chunk.stored_bytes,
            decoded_bytes: chunk.decoded_bytes,
            expiry_micros: expiry_micros.unwrap_or(0),
        };
        let kinds = (kind, EntryKind::ValuePointer);
        self.push(key, seq, kinds, expiry_micros, &pointer.encode(), chunk.decoded_bytes as usize)
    }

    /// Adds an entry to the chunk and to the counts. `kinds` are the entry's own and the stored one.
    fn push(
        &mut self,
        key: &[u8],
        seq: u64,
        (kind, stored_kind): (EntryKind, EntryKind),
        expiry_micros: Option<u64>,
        stored_value: &[u8],
        value_bytes: usize,
    ) -> Result<()> {
        let new_key = self.properties.entries == 0 || key != self.last_key;
        let hash = match self.hashes.last() {
            Some(&hash) if !new_key => hash,
            _ => key_hash(self.settings.hash_seed, key),
        };
        if new_key {
            self.hashes.push(hash);
            self.properties.keys += 1;
        }
        if self.properties.entries == 0 {
            self.properties.first_key = key.to_vec();
        }
        self.properties.entries += 1;
        self.properties.tombstones += u64::from(kind == EntryKind::Delete);
        self.properties.key_bytes += key.len() as u64;
        self.properties.value_bytes += value_bytes as u64;
        if let Some(expiry) = expiry_micros {
            let least = self.properties.least_expiry_micros.unwrap_or(expiry);
            self.properties.least_expiry_micros = Some(least.min(expiry));
        }
        if seq != 0 {
            self.cover_seqs(seq, seq);
        }
        self.entries.push(key, hash, seq, stored_kind, stored_value);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.last_seq = seq;
        let full = self.entries.len() >= self.settings.chunk_max_keys as usize
            || self.entries.bytes() >= self.settings.chunk_max_bytes as usize;
        if full { self.finish_chunk() } else { Ok(()) }
    }

    fn finish_chunk(&mut self) -> Result<()> {
        let Some((first_key, first_seq)) = self.entries.first() else {
            return Ok(());
        };
        let first_key = first_key.to_vec();
        self.entries.finish(&mut self.payload);
        let chunk = self.chunks.append(ChunkType::Entries, Section::Data, &self.payload)?;
        self.sparse.push(self.last_key_of_chunk.as_deref(), &first_key, first_seq, chunk);
        self.last_key_of_chunk.get_or_insert_default().clone_from(&self.last_key);
        let properties = &mut self.properties;
        properties.entry_chunks += 1;
        properties.largest_stored_chunk = properties.largest_stored_chunk.max(chunk.stored_bytes);
        properties.largest_decoded_chunk = properties.largest_decoded_chunk.max(chunk.decoded_bytes);
        Ok(())
    }

    fn filter_shape(&self) -> Option<BloomShape> {
        self.settings.bloom.shape(self.properties.keys)
    }

    fn misuse(&self, detail: String) -> Error {
        let offset = self.chunks.payload_position();
        Error::corruption(self.file.temporary.as_str(), offset, detail)
    }
}

impl RunProperties {
    fn new(identity: RunIdentity, pipeline: FilterPipeline, hash_seed: u64) -> Self {
        Self { identity, pipeline, hash_seed, hash_id: HASH_XXH3_64, ..Self::empty() }
    }
}

/// The file under its temporary name.
#[derive(Debug)]
struct TemporaryFile {
    directory: Arc<dyn Directory>,
    name: String,
    temporary: String,
    may_have_name: bool,
    done: bool,
}

impl TemporaryFile {
    fn give_name(&mut self) -> Result<()> {
        self.may_have_name = true;
        self.directory
            .rename(&self.temporary, &self.name)
            .map_err(|source| Error::io("rename", self.temporary.as_str(), source))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.done {
            // What stays behind is named *.tmp, which the next open deletes.
            let _ = self.directory.remove(&self.temporary);
        }
        if !self.done && self.may_have_name {
            // A rename that failed may have happened. Nobody else has this name.
            let _ = self.directory.remove(&self.name);
        }
    }
}
