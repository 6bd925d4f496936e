//! The parts of a manifest file: its header, where things stand, and the frame around every base
//! copy and edit.
//!
//! Every check covers the file's random uid, so that bytes of another manifest, or a key that holds a
//! piece of one, do not validate here. A frame's head has a check of its own: whether something valid
//! follows damage is found in one pass over the bytes, without trusting a length.

use std::fmt;
use std::ops::Range;

use crate::bytes::Reader;
use crate::error::{Error, Result};

pub(super) const MAGIC: [u8; 8] = *b"HSTMAN\r\n";
pub(super) const VERSION: u16 = 1;
pub(super) const HEADER_BYTES: usize = 64;
const HEADER_CRC_AT: usize = 60;

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
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_be_bytes());
        out[12..16].copy_from_slice(&self.compatible.to_be_bytes());
        out[16..20].copy_from_slice(&self.incompatible.to_be_bytes());
        out[20..24].copy_from_slice(&self.base_bytes.to_be_bytes());
        out[24..40].copy_from_slice(&self.index_uuid.to_be_bytes());
        out[40..48].copy_from_slice(&self.file_uid.to_be_bytes());
        let crc = crc32fast::hash(&out[..HEADER_CRC_AT]);
        out[HEADER_CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads the header at the start of `bytes` and refuses what this version does not know.
    pub(super) fn decode(bytes: &[u8], file: &str, known_incompatible: u32) -> Result<Self> {
        let damage = |offset: usize, detail| Err(Error::corruption(file, offset as u64, detail));
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
            let detail = format!("expected a header of 64 bytes, found {}", bytes.len());
            return damage(0, detail);
        };
        if bytes[0..8] != MAGIC {
            let (expected, found) = (MAGIC.escape_ascii(), bytes[0..8].escape_ascii());
            return damage(0, format!("expected the magic \"{expected}\", found \"{found}\""));
        }
        let stored = u32_at(bytes, HEADER_CRC_AT);
        let computed = crc32fast::hash(&bytes[..HEADER_CRC_AT]);
        if stored != computed {
            let detail = format!("the header says CRC {stored:08x}, its bytes {computed:08x}");
            return damage(HEADER_CRC_AT, detail);
        }
        let version = u16::from_be_bytes([bytes[8], bytes[9]]);
        let header = Self {
            compatible: u32_at(bytes, 12),
            incompatible: u32_at(bytes, 16),
            base_bytes: u32_at(bytes, 20),
            index_uuid: u128::from(u64_at(bytes, 24)) << 64 | u128::from(u64_at(bytes, 32)),
            file_uid: u64_at(bytes, 40),
        };
        let unknown = header.incompatible & !known_incompatible;
        let detail = if version != VERSION {
            format!("manifest version {version}; this one knows {VERSION}")
        } else if unknown != 0 {
            unknown_features(unknown)
        } else {
            return Ok(header);
        };
        let file = file.into();
        Err(Error::Unsupported { file, detail })
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::new(u64::from(self.base_bytes))
    }
}

pub(super) fn unknown_features(bits: u32) -> String {
    format!("unknown incompatible features {bits:#010x}")
}

fn u32_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| Reader::new(rest).u32().ok()).unwrap_or_default()
}

fn u64_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| Reader::new(rest).u64().ok()).unwrap_or_default()
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
