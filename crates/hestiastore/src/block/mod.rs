//! The data block file: a stream of payload bytes, cut into fixed blocks that each carry a checksum (F2).
//!
//! A file is a 4096-byte header page, blocks of one size, and a trailer that belongs to the layer above.
//! Every block but the last is full. Callers speak of *payload positions*: offsets in the stream
//! without headers and page. A block's payload is a multiple of 16 bytes, so a 16-byte cell never
//! lies across two blocks.
//!
//! Invariants neighbours may rely on: a block's checksum covers the file's uid and the block's number, so a
//! block of another file or place is refused; no read allocates before its range is known to lie in the file.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod layout;
#[cfg(test)]
pub(crate) mod memory;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

#[cfg(test)]
pub(crate) use layout::{BLOCK_HEADER_BYTES, seal_block};
pub(crate) use layout::{BlockLayout, HEADER_PAGE_BYTES};
pub(crate) use reader::{BlockFileReader, read_exactly};
pub(crate) use writer::BlockFileWriter;
