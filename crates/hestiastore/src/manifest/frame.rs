//! The parts of a manifest file: its header, where things stand, and the frame around every base
//! copy and edit.
//!
//! Every check covers the file's random uid, so that bytes of another manifest, or a key that holds a
//! piece of one, do not validate here. A frame's head has a check of its own: whether something valid
//! follows damage is found in one pass over the bytes, without trusting a length.

use std::fmt;
use std::ops::Range;

use crate::bytes::Reader;
use crate::error::Result;
use crate::file_header::{FILE_HEADER_BYTES, FileHeader};

pub(super) const MAGIC: [u8; 8] = *b"HSTMAN\r\n";
pub(super) const VERSION: u16 = 1;
pub(super) const HEADER_BYTES: usize = FILE_HEADER_BYTES;

/// Length of a frame beside its payload.
pub(super) const FRAME_BYTES: usize = 24;
const HEAD_CHECK_AT: usize = 20;
const NUMBER_AT: usize = 8;

/// Limit of a frame's payload.
pub(super) const PAYLOAD_LIMIT_BYTES: usize = 1 << 30;

/// The second base copy begins in a disk sector of its own.
const COPY_ALIGNMENT_BYTES: u64 = 4096;

/// The file grows by this much at a time, ahead of what is written (D8).
pub(super) const RESERVE_STEP_BYTES: u64 = 64 * 1024;

/// The first 64 bytes, laid out as in every file of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) compatible: u32,
    pub(super) incompatible: u32,
    /// The header's parameter: payload length of each base copy.
    pub(super) base_bytes: u32,
    pub(super) index_uuid: u128,
    pub(super) file_uid: u64,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        FileHeader {
            magic: MAGIC,
            version: VERSION,
            compatible: self.compatible,
            incompatible: self.incompatible,
            index_uuid: self.index_uuid,
            file_uid: self.file_uid,
            parameter: self.base_bytes,
            wide_parameter: 0,
        }
        .encode()
    }

    /// Reads the header at the start of `bytes` and refuses what this version does not know.
    pub(super) fn decode(bytes: &[u8], file: &str, known_incompatible: u32) -> Result<Self> {
        let header = FileHeader::decode(bytes, MAGIC, file)?;
        header.require(VERSION, known_incompatible, file)?;
        Ok(Self {
            compatible: header.compatible,
            incompatible: header.incompatible,
            base_bytes: header.parameter,
            index_uuid: header.index_uuid,
            file_uid: header.file_uid,
        })
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::new(u64::from(self.base_bytes))
    }
}

pub(super) fn unknown_features(bits: u32) -> String {
    format!("unknown incompatible features {bits:#010x}")
}

/// Where things stand in a file, by the payload length of its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Offsets of the two base copies.
    pub(super) copies: [u64; 2],
    /// Offset of the first edit.
    pub(super) edits: u64,
    /// The file is never shorter.
    pub(super) least_length: u64,
}

impl Layout {
    pub(super) fn new(base_bytes: u64) -> Self {
        let frame = FRAME_BYTES as u64 + base_bytes;
        let first = HEADER_BYTES as u64;
        let second = (first + frame).next_multiple_of(COPY_ALIGNMENT_BYTES);
        let edits = second + frame;
        Self { copies: [first, second], edits, least_length: reserved(edits + RESERVE_STEP_BYTES) }
    }
}

/// The length of a file with room for `bytes`.
pub(super) fn reserved(bytes: u64) -> u64 {
    bytes.div_ceil(RESERVE_STEP_BYTES).saturating_mul(RESERVE_STEP_BYTES)
}

/// What stands before a payload, with a valid check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: u32,
    pub(super) crc: u32,
    pub(super) number: u64,
    pub(super) previous_crc: u32,
}

/// A base copy or an edit whose checks hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) head: Head,
    pub(super) payload: &'a [u8],
}

impl Frame<'_> {
    pub(super) fn bytes(&self) -> u64 {
        (FRAME_BYTES + self.payload.len()) as u64
    }
}

/// Why there is no valid frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    HeadCutOff { found: u64 },
    Head { stored: u32, computed: u32 },
    PayloadCutOff { head: Head, found: u64 },
    Payload { head: Head, computed: u32 },
}

impl Fault {
    /// The head, if it is valid.
    pub(super) fn head(&self) -> Option<Head> {
        match self {
            Fault::HeadCutOff { .. } | Fault::Head { .. } => None,
            Fault::PayloadCutOff { head, .. } | Fault::Payload { head, .. } => Some(*head),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::HeadCutOff { found } => {
                write!(f, "expected {FRAME_BYTES} bytes of a frame, found {found}")
            }
            Fault::Head { stored, computed } => {
                write!(f, "the frame says check {stored:08x}, its bytes {computed:08x}")
            }
            Fault::PayloadCutOff { head, found } => {
                write!(f, "expected {} bytes of payload, found {found}", head.length)
            }
            Fault::Payload { head, computed } => {
                let stored = head.crc;
                write!(f, "the frame says CRC {stored:08x}, its bytes {computed:08x}")
            }
        }
    }
}

/// A frame around `payload`, and its CRC; `None` if the payload is too long for one.
pub(super) fn encode_frame(
    file_uid: u64,
    number: u64,
    previous_crc: u32,
    payload: &[u8],
) -> Option<(Vec<u8>, u32)> {
    if payload.len() > PAYLOAD_LIMIT_BYTES {
        return None;
    }
    let length = u32::try_from(payload.len()).ok()?;
    let mut out = Vec::with_capacity(FRAME_BYTES + payload.len());
    out.extend_from_slice(&length.to_be_bytes());
    let crc = payload_crc(file_uid, length, number, previous_crc, payload);
    out.extend_from_slice(&crc.to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&previous_crc.to_be_bytes());
    let check = salted(file_uid, &[&out]);
    out.extend_from_slice(&check.to_be_bytes());
    out.extend_from_slice(payload);
    Some((out, crc))
}

/// The head at the start of `bytes`.
pub(super) fn read_head(file_uid: u64, bytes: &[u8]) -> std::result::Result<Head, Fault> {
    let found = bytes.len() as u64;
    let cut_off = |_| Fault::HeadCutOff { found };
    let mut reader = Reader::new(bytes);
    let head = Head {
        length: reader.u32().map_err(cut_off)?,
        crc: reader.u32().map_err(cut_off)?,
        number: reader.u64().map_err(cut_off)?,
        previous_crc: reader.u32().map_err(cut_off)?,
    };
    let stored = reader.u32().map_err(cut_off)?;
    let computed = salted(file_uid, &[bytes.get(..HEAD_CHECK_AT).unwrap_or_default()]);
    if stored != computed {
        return Err(Fault::Head { stored, computed });
    }
    Ok(head)
}

/// The frame at the start of `bytes`.
pub(super) fn read_frame(file_uid: u64, bytes: &[u8]) -> std::result::Result<Frame<'_>, Fault> {
    let head = read_head(file_uid, bytes)?;
    let rest = bytes.get(FRAME_BYTES..).unwrap_or_default();
    let payload = usize::try_from(head.length).ok().and_then(|length| rest.get(..length));
    let found = rest.len() as u64;
    let payload = payload.ok_or(Fault::PayloadCutOff { head, found })?;
    let computed = payload_crc(file_uid, head.length, head.number, head.previous_crc, payload);
    if head.crc != computed {
        return Err(Fault::Payload { head, computed });
    }
    Ok(Frame { head, payload })
}

/// The offset of the first valid head in `bytes` whose number lies in `numbers`, and the number.
/// Looks at each offset once.
pub(super) fn find_head(file_uid: u64, bytes: &[u8], numbers: Range<u64>) -> Option<(usize, u64)> {
    let candidate = |(at, window): (usize, &[u8])| {
        // Comparing the number first spares the CRC of nearly every offset.
        let number = Reader::new(window.get(NUMBER_AT..)?).u64().ok()?;
        let plausible = numbers.contains(&number);
        (plausible && read_head(file_uid, window).is_ok()).then_some((at, number))
    };
    bytes.windows(FRAME_BYTES).enumerate().find_map(candidate)
}

fn payload_crc(uid: u64, length: u32, number: u64, previous_crc: u32, payload: &[u8]) -> u32 {
    let parts: [&[u8]; 4] =
        [&length.to_be_bytes(), &number.to_be_bytes(), &previous_crc.to_be_bytes(), payload];
    salted(uid, &parts)
}

fn salted(file_uid: u64, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&file_uid.to_be_bytes());
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}
