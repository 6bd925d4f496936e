//! Building, encoding and asking.

use super::{BLOCK_BYTES, BloomShape, MAX_BLOCKS, MAX_PROBES};
use crate::bytes::Reader;

const HEADER_BYTES: usize = 8;

/// 512 bits on a cache line of their own.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Block([u64; 8]);

/// A filter in memory. Immutable.
#[derive(Debug)]
pub(crate) struct BloomFilter {
    blocks: Box<[Block]>,
    probes: u32,
}

impl BloomFilter {
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, String> {
        let mut reader = Reader::new(payload);
        let (Ok(blocks), Ok(probes)) = (reader.u32(), reader.u32()) else {
            return Err(format!("a filter of {} bytes", payload.len()));
        };
        let stated = u64::from(blocks) * BLOCK_BYTES;
        if stated != reader.rest().len() as u64 || blocks == 0 || u64::from(blocks) > MAX_BLOCKS {
            return Err(format!("a filter of {} bytes states {blocks} blocks", payload.len()));
        }
        if !(1..=MAX_PROBES).contains(&probes) {
            return Err(format!("a filter of {probes} probes"));
        }
        let (words, _) = reader.rest().as_chunks::<8>();
        let (blocks, _) = words.as_chunks::<8>();
        let blocks = blocks.iter().map(|block| Block(block.map(u64::from_be_bytes))).collect();
        Ok(Self { blocks, probes })
    }

    /// `false`: no key with this hash was put in.
    #[inline]
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        let at = block_of(hash, self.blocks.len() as u64);
        let Some(Block(words)) = self.blocks.get(at) else {
            return true;
        };
        probes(hash, self.probes).all(|bit| words[bit / 64 % 8] >> (bit % 64) & 1 == 1)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES as usize
    }
}

/// The payload of a filter over these hashes.
pub(crate) fn encode_filter(shape: BloomShape, hashes: &[u64]) -> Vec<u8> {
    let mut blocks = vec![[0u64; 8]; shape.blocks as usize];
    for &hash in hashes {
        if let Some(words) = blocks.get_mut(block_of(hash, u64::from(shape.blocks))) {
            for bit in probes(hash, shape.probes) {
                words[bit / 64 % 8] |= 1 << (bit % 64);
            }
        }
    }
    let mut out = Vec::with_capacity(HEADER_BYTES + blocks.len() * BLOCK_BYTES as usize);
    out.extend_from_slice(&shape.blocks.to_be_bytes());
    out.extend_from_slice(&shape.probes.to_be_bytes());
    for word in blocks.as_flattened() {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out
}

#[inline]
fn block_of(hash: u64, blocks: u64) -> usize {
    ((u128::from(hash) * u128::from(blocks)) >> 64) as usize
}

/// The bits of a hash in its block, below 512: nine bits each from the top of a product that is
/// multiplied again after seven of them. The block is chosen by the hash itself, so bits and block are
/// all but independent.
#[inline]
fn probes(hash: u64, count: u32) -> impl Iterator<Item = usize> {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    const PER_PRODUCT: u32 = 7;
    let mut product = (hash ^ hash >> 32).wrapping_mul(MULTIPLIER);
    let mut bits = product;
    (0..count).map(move |i| {
        if i != 0 && i % PER_PRODUCT == 0 {
            product = (product ^ product >> 29).wrapping_mul(MULTIPLIER);
            bits = product;
        }
        let bit = bits >> 55;
        bits <<= 9;
        bit as usize
    })
}
