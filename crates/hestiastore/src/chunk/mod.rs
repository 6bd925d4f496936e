//! The chunk store: checked, optionally transformed payloads of any length in a data block file (F3).
//!
//! A chunk begins at a 16-byte cell and has a 16-byte header. Its checksum covers the file's uid and
//! its position, so a point read checks the chunk alone and never takes a stale chunk, or one of another
//! file, for its own.
//!
//! Invariants neighbours may rely on: what [`ChunkReader`] returns was written at that place as that type;
//! a stated length is compared with what the caller and the stored bytes allow before anything is allocated.

pub(crate) mod filter;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod header;
mod reader;
mod scan;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use filter::FilterPipeline;
#[cfg(test)]
pub(crate) use header::ChunkHeader;
pub(crate) use header::{CHUNK_HEADER_BYTES, ChunkPosition, ChunkType, cells};
pub(crate) use reader::{ChunkReader, ExpectedChunk, StoredChunk};
pub(crate) use scan::FoundChunk;
pub(crate) use writer::{ChunkWriter, WrittenChunk};
