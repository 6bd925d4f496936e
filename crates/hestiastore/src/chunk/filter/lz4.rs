//! LZ4 block compression. The decoded length is the chunk header's.

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

/// An LZ4 block grows at most this many times when decoded.
pub(super) const MAX_GROWTH: u64 = 255;

/// The compressor's hash table, reused from chunk to chunk.
#[derive(Default)]
pub(crate) struct Lz4Table(CompressTable);

impl std::fmt::Debug for Lz4Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lz4Table")
    }
}

/// Compresses into `out`. `false`: it does not pay, and `out` holds nothing of use.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>, table: &mut Lz4Table) -> bool {
    const SHORTEST_BYTES: usize = 32;
    if input.len() < SHORTEST_BYTES {
        return false;
    }
    // The large table serves any input; falling back to the small one for a small chunk is faster.
    if input.len() < usize::from(u16::MAX) && matches!(table.0, CompressTable::Large(_)) {
        table.0 = CompressTable::default();
    }
    out.resize(get_maximum_output_size(input.len()), 0);
    match compress_into_with_table(input, out, &mut table.0) {
        Ok(length) => {
            out.truncate(length);
            length < input.len() - input.len() / 16
        }
        Err(_) => false,
    }
}

/// Decodes exactly `decoded_bytes` bytes.
pub(super) fn decompress(stored: &[u8], decoded_bytes: usize) -> Result<Vec<u8>, String> {
    let mut out = vec![0u8; decoded_bytes];
    match decompress_into(stored, &mut out) {
        Ok(length) if length == decoded_bytes => Ok(out),
        Ok(length) => Err(format!("LZ4 gave {length} bytes, the header states {decoded_bytes}")),
        Err(error) => Err(format!("LZ4: {error}")),
    }
}
