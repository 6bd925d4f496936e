//! The first 64 bytes of every file of an index (F1): what it is, which version, whose, and its identity.
//!
//! Files of every kind share this layout, so that a tool can tell any file from its first 64 bytes. The magic
//! says the kind. Compatible feature bits may be ignored by a reader that does not know them;
//! an unknown incompatible bit refuses the file.

use crate::bytes::Reader;
use crate::error::{Error, Result};

/// Length of an encoded header in bytes.
pub(crate) const FILE_HEADER_BYTES: usize = 64;

/// Bytes 0..60 are covered by the CRC that follows them.
const CRC_AT: usize = 60;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) magic: [u8; 8],
    pub(crate) version: u16,
    pub(crate) compatible: u32,
    pub(crate) incompatible: u32,
    pub(crate) index_uuid: u128,
    pub(crate) file_uid: u64,
    /// What it means is up to the kind of file; a run's block size in bytes.
    pub(crate) parameter: u32,
    /// The same; a log's base seq.
    pub(crate) wide_parameter: u64,
}

impl FileHeader {
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut out = [0u8; FILE_HEADER_BYTES];
        out[0..8].copy_from_slice(&self.magic);
        out[8..10].copy_from_slice(&self.version.to_be_bytes());
        out[12..16].copy_from_slice(&self.compatible.to_be_bytes());
        out[16..20].copy_from_slice(&self.incompatible.to_be_bytes());
        out[20..24].copy_from_slice(&self.parameter.to_be_bytes());
        out[24..40].copy_from_slice(&self.index_uuid.to_be_bytes());
        out[40..48].copy_from_slice(&self.file_uid.to_be_bytes());
        out[48..56].copy_from_slice(&self.wide_parameter.to_be_bytes());
        let crc = crc32fast::hash(&out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Checks magic and CRC. Whether version and feature bits are known is for the caller to say:
    /// [`FileHeader::require`].
    pub(crate) fn decode(bytes: &[u8], expected_magic: [u8; 8], file: &str) -> Result<Self> {
        let short = |_| {
            let detail = format!("expected a header of {FILE_HEADER_BYTES} bytes, found {}", bytes.len());
            Error::corruption(file, 0, detail)
        };
        let (body, crc) = bytes.split_at_checked(CRC_AT).ok_or(crate::bytes::Short).map_err(short)?;
        let stored_crc = Reader::new(crc).u32().map_err(short)?;
        let mut reader = Reader::new(body);
        let magic = reader.take(8).map_err(short)?;
        if magic != expected_magic {
            let (expected, found) = (expected_magic.escape_ascii(), magic.escape_ascii());
            let detail = format!("expected the magic \"{expected}\", found \"{found}\"");
            return Err(Error::corruption(file, 0, detail));
        }
        let crc = crc32fast::hash(body);
        if crc != stored_crc {
            let detail = format!("expected the header CRC {stored_crc:08x}, found {crc:08x}");
            return Err(Error::corruption(file, CRC_AT as u64, detail));
        }
        let mut read = || -> Result<Self, crate::bytes::Short> {
            let version = reader.u16()?;
            reader.u16()?;
            let compatible = reader.u32()?;
            let incompatible = reader.u32()?;
            let parameter = reader.u32()?;
            let index_uuid = u128::from(reader.u64()?) << 64 | u128::from(reader.u64()?);
            let file_uid = reader.u64()?;
            let wide_parameter = reader.u64()?;
            Ok(Self {
                magic: expected_magic,
                version,
                compatible,
                incompatible,
                index_uuid,
                file_uid,
                parameter,
                wide_parameter,
            })
        };
        read().map_err(short)
    }

    /// Refuses a later version and incompatible features beyond `known_incompatible`.
    pub(crate) fn require(&self, newest_version: u16, known_incompatible: u32, file: &str) -> Result<()> {
        let refuse = |detail| Err(Error::Unsupported { file: file.into(), detail });
        if self.version == 0 || self.version > newest_version {
            return refuse(format!("version {}; known are 1 to {newest_version}", self.version));
        }
        let unknown = self.incompatible & !known_incompatible;
        if unknown != 0 {
            return refuse(format!("unknown incompatible features {unknown:#010x}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> FileHeader {
        FileHeader {
            magic: *b"HSTRUN\r\n",
            version: 1,
            compatible: 0x0000_0002,
            incompatible: 0x0000_0001,
            index_uuid: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
            file_uid: 0x0123_4567_89ab_cdef,
            parameter: 4096,
            wide_parameter: 0,
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn f1_header_bytes_are_fixed() {
        let expected = "48535452554e0d0a\
                        0001000000000002\
                        0000000100001000\
                        00112233445566778899aabbccddeeff\
                        0123456789abcdef\
                        000000000000000000000000";
        let encoded = example().encode();
        assert_eq!(hex(&encoded[..60]), expected);
        assert_eq!(encoded[60..], crc32fast::hash(&encoded[..60]).to_be_bytes());
        assert_eq!(FileHeader::decode(&encoded, *b"HSTRUN\r\n", "f").unwrap(), example());
    }

    #[test]
    fn f1_a_file_of_another_kind_is_refused() {
        let error = FileHeader::decode(&example().encode(), *b"HSTWAL\r\n", "f").unwrap_err();
        assert!(error.to_string().contains("HSTRUN"), "{error}");
    }

    #[test]
    fn f1_every_flip_and_every_truncation_is_found() {
        let encoded = example().encode();
        for bit in 0..encoded.len() * 8 {
            let mut damaged = encoded;
            damaged[bit / 8] ^= 1 << (bit % 8);
            let error = FileHeader::decode(&damaged, *b"HSTRUN\r\n", "f").unwrap_err();
            assert!(matches!(error, Error::Corruption { .. }), "bit {bit}: {error}");
        }
        for length in 0..encoded.len() {
            assert!(FileHeader::decode(&encoded[..length], *b"HSTRUN\r\n", "f").is_err());
        }
    }

    #[test]
    fn f1_unknown_versions_and_features_are_refused() {
        let header = example();
        header.require(1, 1, "f").unwrap();
        assert!(matches!(header.require(1, 0, "f"), Err(Error::Unsupported { .. })));
        let later = FileHeader { version: 2, ..example() };
        assert!(matches!(later.require(1, 1, "f"), Err(Error::Unsupported { .. })));
    }
}

/// File headers under a fuzzer.
#[cfg(any(test, feature = "fuzzing"))]
#[allow(clippy::unwrap_used, reason = "a finding is a panic")]
pub(crate) mod fuzz {
    use super::*;

    const MAGICS: [[u8; 8]; 3] = [*b"HSTRUN\r\n", *b"HSTWAL\r\n", *b"HSTMAN\r\n"];
    /// Zeros in every header that is written; read by nobody.
    const RESERVED: [std::ops::Range<usize>; 2] = [10..12, 56..60];

    /// Bytes as a header: as they are, and with magic and CRC put right.
    pub fn file_header(data: &[u8]) {
        for magic in MAGICS {
            let mut bytes = [0; FILE_HEADER_BYTES];
            let length = data.len().min(FILE_HEADER_BYTES);
            bytes[..length].copy_from_slice(&data[..length]);
            check(data, magic);
            bytes[..8].copy_from_slice(&magic);
            let crc = crc32fast::hash(&bytes[..CRC_AT]);
            bytes[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
            assert!(check(&bytes, magic));
        }
    }

    fn check(bytes: &[u8], magic: [u8; 8]) -> bool {
        let Ok(header) = FileHeader::decode(bytes, magic, "f") else { return false };
        let again = header.encode();
        assert_eq!(FileHeader::decode(&again, magic, "f").unwrap(), header);
        let mut expected = bytes[..CRC_AT].to_vec();
        RESERVED.into_iter().for_each(|range| expected[range].fill(0));
        assert_eq!(again[..CRC_AT], expected);
        let known = header.version == 1 && header.incompatible & !7 == 0;
        assert_eq!(header.require(1, 7, "f").is_ok(), known);
        true
    }
}
