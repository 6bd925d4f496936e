//! Bytes as edits. What is not known and critical is refused, what is not known otherwise skipped.
//!
//! Input is what a disk gave, though with a valid CRC: everything is checked, and what is allocated
//! is in proportion to it.

use crate::bytes::Reader;

use super::edit::{Change, Edit};
use super::encode::{CRITICAL, number};
use super::state::{Closed, RunReference};

/// Why a payload with a valid CRC is no edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DecodeError {
    /// Written by a later version.
    Unsupported(String),
    /// Written by nobody.
    Malformed(String),
}

type Result<T> = std::result::Result<T, DecodeError>;

/// The edit of a payload.
pub(super) fn decode_edit(payload: &[u8]) -> Result<Edit> {
    let mut reader = Reader::new(payload);
    let mut changes = Vec::new();
    while !reader.is_empty() {
        let field = Field::read(&mut reader)?;
        match decode_change(&field)? {
            Some(change) => changes.push(change),
            None if field.critical => {
                return Err(DecodeError::Unsupported(format!("unknown change {}", field.number)));
            }
            None => {}
        }
    }
    Ok(Edit { changes })
}

struct Field<'a> {
    number: u8,
    critical: bool,
    value: &'a [u8],
}

impl<'a> Field<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let short = |_| DecodeError::Malformed("a field is longer than what holds it".into());
        let tag = reader.u8().map_err(short)?;
        let value = reader.prefixed().map_err(short)?;
        Ok(Self { number: tag & !CRITICAL, critical: tag & CRITICAL != 0, value })
    }

    /// The members numbered 1 to `N`.
    fn members<const N: usize>(&self) -> Result<[Member<'a>; N]> {
        let mut members = [Member::default(); N];
        let mut reader = Reader::new(self.value);
        while !reader.is_empty() {
            let field = Self::read(&mut reader)?;
            let place = usize::from(field.number).checked_sub(1);
            match place.and_then(|place| members.get_mut(place)) {
                Some(Member(Some(_))) => {
                    return Err(self.malformed(field.number, "is there twice"));
                }
                Some(member) => *member = Member(Some(field.value)),
                None if field.critical => {
                    let (change, member) = (self.number, field.number);
                    let detail = format!("unknown member {member} of change {change}");
                    return Err(DecodeError::Unsupported(detail));
                }
                None => {}
            }
        }
        Ok(members)
    }

    fn malformed(&self, member: u8, what: &str) -> DecodeError {
        DecodeError::Malformed(format!("member {member} of change {} {what}", self.number))
    }
}

/// The value of a member, if it is there.
#[derive(Debug, Clone, Copy, Default)]
struct Member<'a>(Option<&'a [u8]>);

impl Member<'_> {
    fn wide_integer(self, limit_bytes: usize) -> Result<u128> {
        let bytes = self.0.unwrap_or_default();
        if bytes.len() > limit_bytes {
            let detail = format!("an integer of {limit_bytes} bytes takes {}", bytes.len());
            return Err(DecodeError::Malformed(detail));
        }
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u128::from(*byte)))
    }

    /// An integer of the type that the caller wants, none wider than 64 bits.
    fn integer<T: TryFrom<u64>>(self) -> Result<T> {
        let value = self.wide_integer(8)? as u64;
        let too_wide = |_| DecodeError::Malformed(format!("the integer {value} is too large"));
        T::try_from(value).map_err(too_wide)
    }

    fn bytes(self) -> Vec<u8> {
        self.0.unwrap_or_default().to_vec()
    }

    fn optional(self) -> Option<Vec<u8>> {
        self.0.map(<[u8]>::to_vec)
    }

    fn text(self) -> Result<String> {
        String::from_utf8(self.bytes()).map_err(|_| DecodeError::Malformed("a text is not UTF-8".into()))
    }
}

/// The change that a field is, or `None` if its number is not known.
fn decode_change(field: &Field<'_>) -> Result<Option<Change>> {
    let change = match field.number {
        number::IDENTITY => {
            let [uuid, lineage, hash_seed] = field.members()?;
            Change::Identity {
                uuid: uuid.wide_integer(16)?,
                lineage: lineage.integer()?,
                hash_seed: hash_seed.integer()?,
            }
        }
        number::SET_TYPES => {
            let [key_type, value_type] = field.members()?;
            Change::SetTypes { key_type: key_type.text()?, value_type: value_type.text()? }
        }
        number::SET_CONFIG => {
            let [config] = field.members()?;
            Change::SetConfig(config.bytes())
        }
        number::FEATURE => {
            let [incompatible, compatible] = field.members()?;
            Change::Feature { incompatible: incompatible.integer()?, compatible: compatible.integer()? }
        }
        number::KEYSPACE => {
            let [id, name] = field.members()?;
            Change::Keyspace { id: id.integer()?, name: name.text()? }
        }
        number::CLOSE => {
            let [log_number, end_offset, last_seq] = field.members()?;
            Change::Close(Closed {
                log_number: log_number.integer()?,
                end_offset: end_offset.integer()?,
                last_seq: last_seq.integer()?,
            })
        }
        number::PUT_SEGMENT => {
            let [id, lower, upper, flushed_seq, next_rank] = field.members()?;
            Change::PutSegment {
                id: id.integer()?,
                lower: lower.bytes(),
                upper: upper.optional(),
                flushed_seq: flushed_seq.integer()?,
                next_rank: next_rank.integer()?,
            }
        }
        number::ADD_RUN => decode_add_run(field)?,
        number::REMOVE_RUN => {
            let [segment, uid, lower] = field.members()?;
            Change::RemoveRun { segment: segment.integer()?, uid: uid.integer()?, lower: lower.bytes() }
        }
        number::ADD_LOG => {
            let [number, uid] = field.members()?;
            Change::AddLog { number: number.integer()?, uid: uid.integer()? }
        }
        number::END_LOG => {
            let [number, offset, last_seq] = field.members()?;
            Change::EndLog {
                number: number.integer()?,
                offset: offset.integer()?,
                last_seq: last_seq.integer()?,
            }
        }
        _ => return decode_single(field),
    };
    Ok(Some(change))
}

/// The changes of one member.
fn decode_single(field: &Field<'_>) -> Result<Option<Change>> {
    let member = || field.members::<1>().map(|[member]| member);
    let change = match field.number {
        number::OPEN => Change::Open { epoch: member()?.integer()? },
        number::LAST_SEQ => Change::LastSeq(member()?.integer()?),
        number::CLOCK_MARK => Change::ClockMark(member()?.integer()?),
        number::NEXT_SEGMENT_ID => Change::NextSegmentId(member()?.integer()?),
        number::DROP_SEGMENT => Change::DropSegment { id: member()?.integer()? },
        number::LOG_FLOOR => Change::LogFloor { number: member()?.integer()? },
        number::ADD_PENDING_DELETION => Change::AddPendingDeletion { name: member()?.text()? },
        number::DONE_PENDING_DELETION => Change::DonePendingDeletion { name: member()?.text()? },
        _ => return Ok(None),
    };
    Ok(Some(change))
}

fn decode_add_run(field: &Field<'_>) -> Result<Change> {
    let [
        segment,
        uid,
        lower,
        upper,
        rank,
        stored_bytes,
        entries,
        tombstones,
        file_bytes,
        max_seq,
        smallest_key,
        largest_key,
    ] = field.members()?;
    Ok(Change::AddRun {
        segment: segment.integer()?,
        run: RunReference {
            uid: uid.integer()?,
            lower: lower.bytes(),
            upper: upper.optional(),
            rank: rank.integer()?,
            stored_bytes: stored_bytes.integer()?,
            entries: entries.integer()?,
            tombstones: tombstones.integer()?,
            file_bytes: file_bytes.integer()?,
            max_seq: max_seq.integer()?,
            smallest_key: smallest_key.bytes(),
            largest_key: largest_key.bytes(),
        },
    })
}
