//! Iterators and the cursor: typed faces of [`IndexScan`].

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use super::counters::CallCount;
use super::index_scan::IndexScan;
use super::read::ReadPoint;
use crate::error::{Error, Result};
use crate::types::{AsKey, KeyType, ValueType};

/// Encoded bounds: from the first to before the second.
pub(crate) type Bounds = (Vec<u8>, Option<Vec<u8>>);

/// The bounds of a range of keys. `InvalidRange` if it starts behind its end.
pub(crate) fn encode_bounds<K: KeyType, Q: AsKey<K>>(range: &impl RangeBounds<Q>) -> Result<Bounds> {
    let encoded = |key: &Q| key.with_key(<[u8]>::to_vec);
    let lower = match range.start_bound() {
        Bound::Included(key) => encoded(key),
        Bound::Excluded(key) => after(encoded(key)),
        Bound::Unbounded => Vec::new(),
    };
    let upper = match range.end_bound() {
        Bound::Included(key) => Some(after(encoded(key))),
        Bound::Excluded(key) => Some(encoded(key)),
        Bound::Unbounded => None,
    };
    if upper.as_ref().is_some_and(|upper| *upper < lower) {
        return Err(Error::InvalidRange);
    }
    Ok((lower, upper))
}

/// The least key that is larger.
fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// The bounds of all keys that begin with `prefix`.
pub(crate) fn prefix_bounds(prefix: &[u8]) -> Bounds {
    let mut upper = prefix.to_vec();
    while let Some(last) = upper.pop() {
        if last < 0xff {
            upper.push(last + 1);
            return (prefix.to_vec(), Some(upper));
        }
    }
    (prefix.to_vec(), None)
}

/// Entries in key order, from both ends, as of the moment the iterator was made.
///
/// It owns what it needs (`'static`, `Send`), loads as it goes, and gives each entry as a `Result`;
/// after an error it ends. It keeps old versions of entries alive while it lives: drop it when done.
///
/// ```
/// use hestiastore::SegmentIndex;
///
/// let index = SegmentIndex::<u32, String>::in_memory().create()?;
/// for n in 0..10u32 {
///     index.put(&n, &format!("{n} potato"))?;
/// }
/// let mut entries = index.range(3..6)?;
/// assert_eq!(entries.next_back().transpose()?, Some((5, "5 potato".to_owned())));
/// let keys = entries.map(|entry| entry.map(|(key, _)| key));
/// assert_eq!(keys.collect::<Result<Vec<_>, _>>()?, [3, 4]);
/// # Ok::<(), hestiastore::Error>(())
/// ```
pub struct Iter<K, V> {
    point: Arc<ReadPoint>,
    lower: Vec<u8>,
    upper: Option<Vec<u8>>,
    front: Option<IndexScan>,
    back: Option<IndexScan>,
    ended: bool,
    read: EntriesRead,
    types: PhantomData<fn() -> (K, V)>,
}

/// Counts entries where no other thread writes, and adds them up now and then.
struct EntriesRead {
    point: Arc<ReadPoint>,
    uncounted: u64,
}

impl EntriesRead {
    const MOST_UNCOUNTED: u64 = 256;

    #[inline]
    fn count_one(&mut self) {
        self.uncounted += 1;
        if self.uncounted == Self::MOST_UNCOUNTED {
            self.add_up();
        }
    }

    fn add_up(&mut self) {
        let uncounted = std::mem::take(&mut self.uncounted);
        self.point.core.counters.count(CallCount::EntriesRead, uncounted);
    }
}

impl Drop for EntriesRead {
    fn drop(&mut self) {
        self.add_up();
    }
}

impl<K: KeyType, V: ValueType> Iter<K, V> {
    pub(crate) fn new(point: Arc<ReadPoint>, (lower, upper): Bounds) -> Self {
        point.core.counters.count(CallCount::Iterators, 1);
        let read = EntriesRead { point: Arc::clone(&point), uncounted: 0 };
        Self { point, lower, upper, front: None, back: None, ended: false, read, types: PhantomData }
    }

    fn new_scan(&self) -> IndexScan {
        IndexScan::new(Arc::clone(&self.point), self.lower.clone(), self.upper.clone())
    }

    /// The two ends have not met: the front's key is less than the back's.
    fn ends_apart(&self) -> bool {
        match (&self.front, &self.back) {
            (Some(front), Some(back)) => front.key() < back.key(),
            _ => true,
        }
    }

    fn step_front(&mut self) -> Result<bool> {
        let on_entry = match &mut self.front {
            Some(front) => front.next()?,
            None => {
                let mut front = self.new_scan();
                let on_entry = front.seek(&self.lower)?;
                self.front = Some(front);
                on_entry
            }
        };
        Ok(on_entry && self.ends_apart())
    }

    fn step_back(&mut self) -> Result<bool> {
        let on_entry = match &mut self.back {
            Some(back) => back.prev()?,
            None => {
                let mut back = self.new_scan();
                let on_entry = back.seek_before(None)?;
                self.back = Some(back);
                on_entry
            }
        };
        Ok(on_entry && self.ends_apart())
    }

    fn give(&mut self, stepped: Result<bool>, from_front: bool) -> Option<Result<(K, V)>> {
        let entry = stepped.and_then(|on_entry| {
            let scan = if from_front { &self.front } else { &self.back };
            let Some(scan) = scan.as_ref().filter(|_| on_entry) else { return Ok(None) };
            self.read.count_one();
            Ok(Some((K::decode(scan.key())?, V::decode(&scan.value()?)?)))
        });
        self.ended = !matches!(entry, Ok(Some(_)));
        entry.transpose()
    }

    /// Counts what is left without decoding it.
    pub(crate) fn count_left(mut self) -> Result<u64> {
        let mut count = 0;
        while self.step_front()? {
            count += 1;
        }
        Ok(count)
    }
}

impl<K: KeyType, V: ValueType> Iterator for Iter<K, V> {
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let stepped = self.step_front();
        self.give(stepped, true)
    }
}

impl<K: KeyType, V: ValueType> DoubleEndedIterator for Iter<K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let stepped = self.step_back();
        self.give(stepped, false)
    }
}

impl<K: KeyType, V: ValueType> std::iter::FusedIterator for Iter<K, V> {}

impl<K, V> std::fmt::Debug for Iter<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iter").field("seq", &self.point.seq).finish_non_exhaustive()
    }
}

/// A place among the entries, as of the moment it was made, that lends keys and values without copying.
///
/// It stands on an entry or nowhere. After it left an end it must be sought again.
///
/// ```
/// use hestiastore::SegmentIndex;
///
/// let index = SegmentIndex::<String, u64>::in_memory().create()?;
/// index.put("b", &2)?;
/// index.put("d", &4)?;
/// let mut cursor = index.cursor()?;
/// assert!(cursor.seek("c")?);
/// assert_eq!((cursor.key()?, cursor.value()?), ("d".to_owned(), 4));
/// assert!(cursor.prev()?);
/// assert_eq!(cursor.key_bytes(), b"b");
/// assert!(!cursor.prev()?);
/// # Ok::<(), hestiastore::Error>(())
/// ```
pub struct Cursor<K, V> {
    point: Arc<ReadPoint>,
    scan: IndexScan,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: KeyType, V: ValueType> Cursor<K, V> {
    pub(crate) fn new(point: Arc<ReadPoint>, (lower, upper): Bounds) -> Self {
        point.core.counters.count(CallCount::Iterators, 1);
        let scan = IndexScan::new(Arc::clone(&point), lower, upper);
        Self { point, scan, types: PhantomData }
    }

    /// Stands on the first entry whose key is not less than `key`. `false`: there is none.
    pub fn seek(&mut self, key: impl AsKey<K>) -> Result<bool> {
        let scan = &mut self.scan;
        key.with_key(|key| scan.seek(key))
    }

    /// Stands on the last entry whose key is less than `key`. `false`: there is none.
    pub fn seek_before(&mut self, key: impl AsKey<K>) -> Result<bool> {
        let scan = &mut self.scan;
        key.with_key(|key| scan.seek_before(Some(key)))
    }

    /// Stands on the first entry. `false`: there is none.
    pub fn seek_to_first(&mut self) -> Result<bool> {
        self.scan.seek(&[])
    }

    /// Stands on the last entry. `false`: there is none.
    pub fn seek_to_last(&mut self) -> Result<bool> {
        self.scan.seek_before(None)
    }

    /// Goes to the next larger key. `false`: there was none, and the cursor stands nowhere.
    #[allow(clippy::should_implement_trait, reason = "it lends, which an iterator cannot")]
    pub fn next(&mut self) -> Result<bool> {
        self.scan.next()
    }

    /// Goes to the next smaller key. `false`: there was none, and the cursor stands nowhere.
    pub fn prev(&mut self) -> Result<bool> {
        self.scan.prev()
    }

    /// Whether the cursor stands on an entry.
    pub fn is_valid(&self) -> bool {
        self.scan.valid()
    }

    /// The encoded key stood on; empty when the cursor stands nowhere.
    pub fn key_bytes(&self) -> &[u8] {
        self.scan.key()
    }

    /// The encoded value stood on, borrowed unless it is a large value stored apart.
    ///
    /// # Errors
    /// `Closed`, `Failed`; `Corruption` and I/O for a value stored apart.
    pub fn value_bytes(&self) -> Result<Cow<'_, [u8]>> {
        self.point.core.health.check_readable()?;
        self.scan.value()
    }

    /// The key stood on.
    ///
    /// # Errors
    /// `Closed`, `Failed`, `Decode`.
    pub fn key(&self) -> Result<K> {
        self.point.core.health.check_readable()?;
        K::decode(self.scan.key())
    }

    /// The value stood on.
    ///
    /// # Errors
    /// Those of [`Cursor::value_bytes`]; `Decode`.
    pub fn value(&self) -> Result<V> {
        V::decode(&self.value_bytes()?)
    }
}

impl<K, V> std::fmt::Debug for Cursor<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("seq", &self.point.seq).finish_non_exhaustive()
    }
}
