//! A log's name and its header: the first 64 bytes, laid out as in every file of an index (F1).
//!
//! The header is synced before the log is listed in the manifest and is never written again.

use crate::error::{Error, Result};
use crate::file_header::{FILE_HEADER_BYTES, FileHeader};

/// Length of the header in bytes; the first record stands behind it.
pub(crate) const LOG_HEADER_BYTES: u64 = FILE_HEADER_BYTES as u64;

const MAGIC: [u8; 8] = *b"HSTWAL\r\n";
const VERSION: u16 = 1;
const KNOWN_INCOMPATIBLE: u32 = 0;
const NUMBER_DIGITS: usize = 20;

/// The file name of the log with this number.
pub(crate) fn log_file_name(number: u64) -> String {
    format!("log-{number:020}.wal")
}

/// The number of the log with this file name; `None` for any other name.
pub(crate) fn parse_log_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("log-")?.strip_suffix(".wal")?;
    let all_digits = digits.len() == NUMBER_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogHeader {
    /// Features that a reader may ignore.
    pub(crate) compatible: u32,
    /// Low half of the log's number, or zero. Informs people; nothing depends on it.
    pub(crate) number_low: u32,
    pub(crate) index_uuid: u128,
    /// The log's random identity; it salts every check in the file.
    pub(crate) log_uid: u64,
    /// Records store their seq as the difference from this one. At most the first seq in the log: a
    /// log that is made ready ahead of its use does not know that one yet.
    pub(crate) first_seq: u64,
}

impl LogHeader {
    pub(crate) fn new(number: u64, index_uuid: u128, log_uid: u64, first_seq: u64) -> Self {
        Self { compatible: 0, number_low: number as u32, index_uuid, log_uid, first_seq }
    }

    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        FileHeader {
            magic: MAGIC,
            version: VERSION,
            compatible: self.compatible,
            incompatible: 0,
            index_uuid: self.index_uuid,
            file_uid: self.log_uid,
            parameter: self.number_low,
            wide_parameter: self.first_seq,
        }
        .encode()
    }

    /// Checks that there is a header, then magic, CRC, version and features, in this order: only bytes that are as they were
    /// written can be of a later version.
    pub(crate) fn decode(bytes: &[u8], file: &str) -> Result<Self> {
        if let Some(detail) = missing(bytes) {
            return Err(Error::corruption(file, 0, detail));
        }
        let header = FileHeader::decode(bytes, MAGIC, file)?;
        header.require(VERSION, KNOWN_INCOMPATIBLE, file)?;
        Ok(Self {
            compatible: header.compatible,
            number_low: header.parameter,
            index_uuid: header.index_uuid,
            log_uid: header.file_uid,
            first_seq: header.wide_parameter,
        })
    }
}

/// Why there is no header at all, which is more telling than what its checks would say.
fn missing(bytes: &[u8]) -> Option<&'static str> {
    if (bytes.len() as u64) < LOG_HEADER_BYTES {
        return Some("the log's header is gone: the file ends within it");
    }
    bytes.iter().all(|byte| *byte == 0).then_some("the log's header is gone: zeros stand in its place")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> LogHeader {
        let uuid = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;
        LogHeader::new(7, uuid, 0x0123_4567_89ab_cdef, 1000)
    }

    fn with_valid_crc(mut bytes: [u8; 64]) -> [u8; 64] {
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    #[test]
    fn names_carry_twenty_digits() {
        assert_eq!(log_file_name(7), "log-00000000000000000007.wal");
        for number in [0, 1, u64::MAX] {
            assert_eq!(parse_log_file_name(&log_file_name(number)), Some(number));
        }
        for name in [
            "log-7.wal",
            "log-99999999999999999999.wal",
            "log-+0000000000000000007.wal",
            "log-00000000000000000007.wal.tmp",
            "",
        ] {
            assert_eq!(parse_log_file_name(name), None, "{name}");
        }
    }

    #[test]
    fn golden_header() {
        let hex: String = header().encode().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            concat!(
                "48535457414c0d0a",
                "0001",
                "0000",
                "00000000",
                "00000000",
                "00000007",
                "00112233445566778899aabbccddeeff",
                "0123456789abcdef",
                "00000000000003e8",
                "00000000",
                "c9de337e",
            )
        );
        assert_eq!(LogHeader::decode(&header().encode(), "f").unwrap(), header());
    }

    #[test]
    fn f1_later_version_or_feature_is_refused_and_not_called_damage() {
        for (at, value) in [(9, 2), (8, 1), (16, 0x80), (19, 1)] {
            let mut bytes = header().encode();
            bytes[at] = value;
            let result = LogHeader::decode(&with_valid_crc(bytes), "f");
            assert!(matches!(result, Err(Error::Unsupported { .. })), "{result:?}");
        }
        let mut bytes = header().encode();
        bytes[15] = 1;
        assert_eq!(LogHeader::decode(&with_valid_crc(bytes), "f").unwrap().compatible, 1);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for bit in 0..64 * 8 {
            let mut bytes = header().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let result = LogHeader::decode(&bytes, "f");
            assert!(matches!(result, Err(Error::Corruption { .. })), "bit {bit}");
        }
        for length in 0..64 {
            let result = LogHeader::decode(&header().encode()[..length], "f");
            assert!(matches!(result, Err(Error::Corruption { .. })), "length {length}");
        }
    }
}
