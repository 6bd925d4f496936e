//! Every way to read, compared with the model.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use hestiastore::{Error, Result, Snapshot};

use crate::data::key;
use crate::history::{State, Value};
use crate::settings::Index;
use crate::step::{End, Move, Read};

/// Compacts a range, unless the bounds are the wrong way round, which must be refused.
pub fn compact_range(index: &Index, lower: End, upper: End) -> Result<()> {
    let range = (bound(lower), bound(upper));
    let backward = is_backward(&range);
    match index.compact_range(range) {
        Err(Error::InvalidRange) if backward => Ok(()),
        outcome => {
            assert!(!backward, "a range from behind its end was taken: {lower:?}..{upper:?}");
            outcome
        }
    }
}

pub type Entries = VecDeque<(Vec<u8>, Value)>;
pub type Iter = hestiastore::Iter<Vec<u8>, Vec<u8>>;

/// Where to read.
pub enum Source<'a> {
    Index(&'a Index),
    Snapshot(&'a Snapshot<Vec<u8>, Vec<u8>>),
}

impl Source<'_> {
    /// Reads, and compares with what is expected.
    pub fn compare(&self, read: &Read, expected: &State) -> Result<()> {
        match read {
            Read::Get(number) => self.compare_get(&key(*number), expected),
            Read::GetMany(numbers) => self.compare_get_many(numbers, expected),
            Read::Range { lower, upper, turns } => self.compare_range(*lower, *upper, *turns, expected),
            Read::Prefix { key: number, length, turns } => {
                let mut prefix = key(*number);
                prefix.truncate(usize::from(*length));
                let entries = match self {
                    Source::Index(index) => index.prefix(&prefix[..])?,
                    Source::Snapshot(snapshot) => snapshot.prefix(&prefix[..])?,
                };
                let expected = expected.iter().filter(|(key, _)| key.starts_with(&prefix));
                drain(entries, &mut cloned(expected), *turns, usize::MAX)
            }
            Read::Cursor(moves) => self.compare_cursor(moves, expected),
            Read::Ends => self.compare_ends(expected),
            Read::Everything => drain(self.snapshot()?.iter()?, &mut cloned(expected.iter()), 0, usize::MAX),
        }
    }

    fn snapshot(&self) -> Result<Snapshot<Vec<u8>, Vec<u8>>> {
        match self {
            Source::Index(index) => index.snapshot(),
            Source::Snapshot(snapshot) => Ok((*snapshot).clone()),
        }
    }

    pub fn compare_get(&self, key: &[u8], expected: &State) -> Result<()> {
        let (owned, borrowed, contained) = match self {
            Source::Index(index) => (index.get(key)?, index.get_ref(key)?, index.contains_key(key)?),
            Source::Snapshot(snapshot) => {
                (snapshot.get(key)?, snapshot.get_ref(key)?, snapshot.contains_key(key)?)
            }
        };
        let expected = expected.get(key).map(|value| &value[..]);
        assert!(owned.as_deref() == expected, "get of {key:02x?}: {:?}", lengths(owned.as_deref(), expected));
        assert!(borrowed.as_deref() == expected, "get_ref of {key:02x?}");
        assert_eq!(contained, expected.is_some(), "contains_key of {key:02x?}");
        Ok(())
    }

    fn compare_get_many(&self, numbers: &[u16], expected: &State) -> Result<()> {
        let keys: Vec<Vec<u8>> = numbers.iter().map(|number| key(*number)).collect();
        let found = match self {
            Source::Index(index) => index.get_many(keys.iter().map(|key| &key[..]))?,
            Source::Snapshot(snapshot) => snapshot.get_many(keys.iter().map(|key| &key[..]))?,
        };
        for (key, found) in keys.iter().zip(&found) {
            assert!(found.as_ref() == expected.get(key).map(|value| &**value), "get_many of {key:02x?}");
        }
        Ok(())
    }

    fn compare_range(&self, lower: End, upper: End, turns: u64, expected: &State) -> Result<()> {
        match self.open_range(lower, upper)? {
            Some(entries) => drain(entries, &mut expected_between(lower, upper, expected), turns, usize::MAX),
            None => Ok(()),
        }
    }

    /// Opens an iterator; `None` if the bounds are the wrong way round, which must be refused.
    pub fn open_range(&self, lower: End, upper: End) -> Result<Option<Iter>> {
        let range = (bound(lower), bound(upper));
        let backward = is_backward(&range);
        let opened = match self {
            Source::Index(index) => index.range(range),
            Source::Snapshot(snapshot) => snapshot.range(range),
        };
        match opened {
            Err(Error::InvalidRange) => {
                assert!(backward, "a range was refused: {lower:?}..{upper:?}");
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(entries) => {
                assert!(!backward, "a range from behind its end was taken: {lower:?}..{upper:?}");
                Ok(Some(entries))
            }
        }
    }

    fn compare_cursor(&self, moves: &[Move], expected: &State) -> Result<()> {
        let mut cursor = self.snapshot()?.cursor()?;
        let mut place: Option<Vec<u8>> = None;
        for one in moves {
            let repeat = match one {
                Move::Next(count) | Move::Prev(count) => *count,
                _ => 1,
            };
            for _ in 0..repeat {
                let stands = match one {
                    Move::Seek(number) => cursor.seek(&key(*number)[..])?,
                    Move::SeekBefore(number) => cursor.seek_before(&key(*number)[..])?,
                    Move::First => cursor.seek_to_first()?,
                    Move::Last => cursor.seek_to_last()?,
                    Move::Next(_) => cursor.next()?,
                    Move::Prev(_) => cursor.prev()?,
                };
                place = moved(one, place, expected);
                assert_eq!(stands, place.is_some(), "{one:?} should lead to {place:02x?}");
                assert_eq!(cursor.is_valid(), stands);
                let Some(key) = &place else { continue };
                assert_eq!(cursor.key_bytes(), &key[..], "{one:?}");
                assert!(*cursor.value_bytes()? == expected[key][..], "value at {key:02x?} after {one:?}");
            }
        }
        Ok(())
    }

    fn compare_ends(&self, expected: &State) -> Result<()> {
        let snapshot = self.snapshot()?;
        let owned =
            |entry: Option<(&Vec<u8>, &Value)>| entry.map(|(key, value)| (key.clone(), value.to_vec()));
        assert!(snapshot.first()? == owned(expected.first_key_value()), "first");
        assert!(snapshot.last()? == owned(expected.last_key_value()), "last");
        assert_eq!(snapshot.len()?, expected.len() as u64);
        assert_eq!(snapshot.is_empty()?, expected.is_empty());
        Ok(())
    }
}

fn lengths(a: Option<&[u8]>, b: Option<&[u8]>) -> (Option<usize>, Option<usize>) {
    (a.map(<[u8]>::len), b.map(<[u8]>::len))
}

/// Where a cursor stands after a move.
fn moved(one: &Move, place: Option<Vec<u8>>, state: &State) -> Option<Vec<u8>> {
    let after = |bound| state.range::<Vec<u8>, _>((bound, Bound::Unbounded)).next();
    let before = |bound| state.range::<Vec<u8>, _>((Bound::Unbounded, bound)).next_back();
    let entry = match one {
        Move::Seek(number) => after(Bound::Included(&key(*number))),
        Move::SeekBefore(number) => before(Bound::Excluded(&key(*number))),
        Move::First => state.first_key_value(),
        Move::Last => state.last_key_value(),
        Move::Next(_) => after(Bound::Excluded(&place?)),
        Move::Prev(_) => before(Bound::Excluded(&place?)),
    };
    entry.map(|(key, _)| key.clone())
}

fn bound(end: End) -> Bound<Vec<u8>> {
    match end {
        End::Open => Bound::Unbounded,
        End::Including(number) => Bound::Included(key(number)),
        End::Excluding(number) => Bound::Excluded(key(number)),
    }
}

/// Whether the range ends before it starts; one that ends where it starts is empty.
fn is_backward(range: &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> bool {
    let after = |key: &Vec<u8>| [&key[..], &[0]].concat();
    let lower = match &range.0 {
        Bound::Included(key) => key.clone(),
        Bound::Excluded(key) => after(key),
        Bound::Unbounded => return false,
    };
    match &range.1 {
        Bound::Included(key) => after(key) < lower,
        Bound::Excluded(key) => *key < lower,
        Bound::Unbounded => false,
    }
}

/// The entries of the model in a range.
pub fn expected_between(lower: End, upper: End, state: &State) -> Entries {
    let above = |key: &Vec<u8>| match bound(lower) {
        Bound::Included(lower) => *key >= lower,
        Bound::Excluded(lower) => *key > lower,
        Bound::Unbounded => true,
    };
    let below = |key: &Vec<u8>| match bound(upper) {
        Bound::Included(upper) => *key <= upper,
        Bound::Excluded(upper) => *key < upper,
        Bound::Unbounded => true,
    };
    cloned(state.iter().filter(|(key, _)| above(key) && below(key)))
}

fn cloned<'a>(entries: impl Iterator<Item = (&'a Vec<u8>, &'a Value)>) -> Entries {
    entries.map(|(key, value)| (key.clone(), Arc::clone(value))).collect()
}

fn drain(mut entries: Iter, expected: &mut Entries, turns: u64, count: usize) -> Result<()> {
    advance(&mut entries, expected, turns, count)
}

/// Takes entries from both ends as the bits of `turns` say, until both are out or `count` are taken.
pub fn advance(entries: &mut Iter, expected: &mut Entries, turns: u64, count: usize) -> Result<()> {
    let mut missing = 0;
    for turn in (0..64).cycle().take(count) {
        let from_back = turns >> turn & 1 == 1;
        let (found, expected) = if from_back {
            (entries.next_back().transpose()?, expected.pop_back())
        } else {
            (entries.next().transpose()?, expected.pop_front())
        };
        let keys = (found.as_ref().map(|(key, _)| key), expected.as_ref().map(|(key, _)| key));
        assert!(keys.0 == keys.1, "{} gives {keys:02x?}", if from_back { "next_back" } else { "next" });
        if let (Some((key, found)), Some((_, value))) = (&found, &expected) {
            assert!(*found == **value, "value of {key:02x?}: {} and {} bytes", found.len(), value.len());
        }
        missing = if found.is_none() { missing + 1 } else { 0 };
        if missing == 3 {
            break;
        }
    }
    Ok(())
}

/// Everything in the index.
pub fn everything(index: &Index) -> Result<State> {
    index.iter()?.map(|entry| entry.map(|(key, value)| (key, Arc::new(value)))).collect()
}
