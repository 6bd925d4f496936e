//! Parts of the engine for micro benchmarks: thin faces of what has no public name.
//!
//! Not part of the engine's interface; there only with the feature `benching`. `benches/` uses it.

pub use crate::run::benching::{Bloom, Chunk, Sparse, encode_entries, hash_key, stored};
pub use crate::segment::benching::Buffer;
pub use crate::wal::benching::Records;
