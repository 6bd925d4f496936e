//! Values: in their entry chunk, or in a chunk of their own.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::entries::EntryChunk;
use super::settings::EntryKind;
use crate::bytes::{Reader, Short};
use crate::chunk::{ChunkPosition, FilterPipeline, StoredChunk};
use crate::sync::Guard;

/// Longer values are chunks of their own.
pub(crate) const VALUE_CHUNK_BYTES: usize = 64 * 1024;

/// What stands in an entry chunk for a value chunk: u8 kind of the value, u64 cell, u32 stored length,
/// u32 decoded length, u64 expiry (0 unless the kind has one).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValuePointer {
    pub(super) kind: EntryKind,
    pub(super) position: ChunkPosition,
    pub(super) stored_bytes: u32,
    pub(super) decoded_bytes: u32,
    pub(super) expiry_micros: u64,
}

pub(super) const POINTER_BYTES: usize = 25;

impl ValuePointer {
    pub(super) fn encode(&self) -> [u8; POINTER_BYTES] {
        let mut out = [0u8; POINTER_BYTES];
        out[0] = self.kind as u8;
        out[1..9].copy_from_slice(&self.position.0.to_be_bytes());
        out[9..13].copy_from_slice(&self.stored_bytes.to_be_bytes());
        out[13..17].copy_from_slice(&self.decoded_bytes.to_be_bytes());
        out[17..].copy_from_slice(&self.expiry_micros.to_be_bytes());
        out
    }

    /// `None` if the bytes are no pointer to a put.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut fields = || -> Result<(u8, u64, u32, u32, u64), Short> {
            Ok((reader.u8()?, reader.u64()?, reader.u32()?, reader.u32()?, reader.u64()?))
        };
        let (kind, cell, stored_bytes, decoded_bytes, expiry_micros) = fields().ok()?;
        let kind = EntryKind::from_number(kind)
            .filter(|kind| matches!(kind, EntryKind::Put | EntryKind::PutExpiry))?;
        let position = ChunkPosition(cell);
        (bytes.len() == POINTER_BYTES).then_some(Self {
            kind,
            position,
            stored_bytes,
            decoded_bytes,
            expiry_micros,
        })
    }
}

/// A value chunk as it is stored, for a verbatim copy into another run.
#[derive(Debug, Clone)]
pub(crate) struct StoredValueChunk {
    pub(super) kind: EntryKind,
    pub(super) expiry_micros: u64,
    pub(super) chunk: StoredChunk,
    pub(super) pipeline: FilterPipeline,
}

impl StoredValueChunk {
    pub(crate) fn stored_bytes(&self) -> usize {
        self.chunk.stored.len()
    }
}

/// What keeps a chunk alive while a value in it is used.
pub(super) enum ChunkPin {
    /// Out of the cache, without touching a counter that other readers share.
    Cached(Guard<Option<Arc<EntryChunk>>>),
    Owned(Arc<EntryChunk>),
}

impl ChunkPin {
    #[inline]
    pub(super) fn chunk(&self) -> Option<&EntryChunk> {
        match self {
            Self::Cached(guard) => guard.as_deref(),
            Self::Owned(chunk) => Some(chunk),
        }
    }
}

/// A value, kept alive with the chunk it lies in. Derefs to its bytes.
pub(crate) struct ValueGuard(Place);

enum Place {
    InChunk { pin: ChunkPin, start: u32, end: u32 },
    Alone(Arc<[u8]>),
}

impl ValueGuard {
    #[inline]
    pub(super) fn in_chunk(pin: ChunkPin, (start, end): (u32, u32)) -> Self {
        Self(Place::InChunk { pin, start, end })
    }

    pub(super) fn alone(value: Vec<u8>) -> Self {
        Self(Place::Alone(value.into()))
    }
}

impl Deref for ValueGuard {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::InChunk { pin, start, end } => pin.chunk().map_or(&[], |chunk| chunk.slice(*start, *end)),
            Place::Alone(value) => value,
        }
    }
}

impl fmt::Debug for ValueGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueGuard({} bytes)", self.len())
    }
}
