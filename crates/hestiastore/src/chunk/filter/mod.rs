//! The filter pipeline: what a chunk's payload goes through on its way to the file.
//!
//! `magic-number` and `crc32` are the chunk header's own fields: always on, listed so that a file tells its
//! whole pipeline. The others transform the payload in the order listed; decoding goes through
//! the reverse of the filters that the chunk says were applied, so a filter that does not pay for
//! a chunk (LZ4 on random bytes) is left out for that chunk.

mod lz4;
mod pipeline;

pub(crate) use pipeline::{FilterPipeline, FilterScratch, Section};

/// The filters that have a number. A number is never given to another filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FilterId {
    MagicNumber = 1,
    Crc32 = 2,
    Lz4 = 3,
    PassThrough = 4,
    Snappy = 5,
    Zstd = 6,
    Aes256Gcm = 7,
    Xor = 8,
}

impl FilterId {
    const ALL: [Self; 8] = [
        Self::MagicNumber,
        Self::Crc32,
        Self::Lz4,
        Self::PassThrough,
        Self::Snappy,
        Self::Zstd,
        Self::Aes256Gcm,
        Self::Xor,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MagicNumber => "magic-number",
            Self::Crc32 => "crc32",
            Self::Lz4 => "lz4",
            Self::PassThrough => "pass-through",
            Self::Snappy => "snappy",
            Self::Zstd => "zstd",
            Self::Aes256Gcm => "aes-256-gcm",
            Self::Xor => "xor",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|filter| filter.name() == name)
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&filter| filter as u8 == number)
    }

    const fn is_implemented(self) -> bool {
        matches!(self, Self::MagicNumber | Self::Crc32 | Self::Lz4 | Self::PassThrough)
    }

    const fn compresses(self) -> bool {
        matches!(self, Self::Lz4 | Self::Snappy | Self::Zstd)
    }
}
