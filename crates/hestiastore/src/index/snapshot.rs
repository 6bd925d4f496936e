//! Reading at one point in history.

use std::marker::PhantomData;
use std::ops::RangeBounds;
use std::sync::Arc;

use super::core::Core;
use super::iter::{Cursor, Iter, encode_bounds, prefix_bounds};
use super::read::{Pinned, ReadPoint};
use crate::error::Result;
use crate::types::{AsKey, KeyType, ValueType};

/// The index as it was at one moment: whatever is written later, this shows the same.
///
/// It owns what it needs: it may go to other threads and outlive the handle it came from, though
/// after `close` every call answers `Closed`. It holds back the removal of what it can still see: drop it
/// when done. Cloning is cheap.
///
/// ```
/// use hestiastore::SegmentIndex;
///
/// let index = SegmentIndex::<String, u32>::in_memory().create()?;
/// index.put("apple", &1)?;
/// let before = index.snapshot()?;
/// index.put("apple", &2)?;
/// index.put("pear", &3)?;
/// assert_eq!(before.get("apple")?, Some(1));
/// assert_eq!((before.len()?, index.len()?), (1, 2));
/// # Ok::<(), hestiastore::Error>(())
/// ```
pub struct Snapshot<K, V> {
    point: Arc<ReadPoint>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for Snapshot<K, V> {
    fn clone(&self) -> Self {
        Self { point: Arc::clone(&self.point), types: PhantomData }
    }
}

impl<K, V> std::fmt::Debug for Snapshot<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("seq", &self.point.seq).finish_non_exhaustive()
    }
}

/// A value that was not copied: it keeps the chunk or buffer that it lies in alive. Derefs to the
/// encoded bytes.
///
/// ```
/// use hestiastore::SegmentIndex;
///
/// let index = SegmentIndex::<u8, Vec<u8>>::in_memory().create()?;
/// index.put(&1, b"borrowed")?;
/// let value = index.get_ref(&1)?.expect("it was put");
/// assert_eq!(&*value, b"borrowed");
/// assert_eq!(value.decode()?, b"borrowed".to_vec());
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug)]
pub struct ValueRef<V> {
    pinned: Pinned,
    types: PhantomData<fn() -> V>,
}

impl<V: ValueType> ValueRef<V> {
    pub(super) fn new(pinned: Pinned) -> Self {
        Self { pinned, types: PhantomData }
    }

    /// The value itself.
    ///
    /// # Errors
    /// `Decode` if the bytes are no value of the type.
    pub fn decode(&self) -> Result<V> {
        V::decode(self.pinned.bytes())
    }
}

impl<V> std::ops::Deref for ValueRef<V> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.pinned.bytes()
    }
}

impl<V> AsRef<[u8]> for ValueRef<V> {
    fn as_ref(&self) -> &[u8] {
        self.pinned.bytes()
    }
}

impl<K: KeyType, V: ValueType> Snapshot<K, V> {
    pub(super) fn new(core: &Arc<Core>) -> Result<Self> {
        Ok(Self { point: ReadPoint::new(core)?, types: PhantomData })
    }

    fn core(&self) -> &Core {
        &self.point.core
    }

    /// The sequence number that the snapshot reads at: the number of the last write it sees.
    pub fn seq(&self) -> u64 {
        self.point.seq
    }

    /// The value of `key`, if there is one. Costs about one chunk read at most.
    ///
    /// # Errors
    /// `Closed`, `Corruption`, `Decode`, I/O.
    pub fn get(&self, key: impl AsKey<K>) -> Result<Option<V>> {
        let found = key.with_key(|key| self.core().get_with(key, Some(self.point.seq), V::decode))?;
        found.transpose()
    }

    /// The value of `key` without a copy.
    ///
    /// # Errors
    /// `Closed`, `Corruption`, I/O.
    pub fn get_ref(&self, key: impl AsKey<K>) -> Result<Option<ValueRef<V>>> {
        let pinned = key.with_key(|key| self.core().get_pinned(key, Some(self.point.seq)))?;
        Ok(pinned.map(ValueRef::new))
    }

    /// Whether `key` has a value.
    ///
    /// # Errors
    /// `Closed`, `Corruption`, I/O.
    pub fn contains_key(&self, key: impl AsKey<K>) -> Result<bool> {
        let found = key.with_key(|key| self.core().get_with(key, Some(self.point.seq), |_| ()))?;
        Ok(found.is_some())
    }

    /// The values of several keys, in the order of the keys.
    ///
    /// # Errors
    /// Those of [`Snapshot::get`].
    pub fn get_many<Q: AsKey<K>>(&self, keys: impl IntoIterator<Item = Q>) -> Result<Vec<Option<V>>> {
        keys.into_iter().map(|key| self.get(key)).collect()
    }

    /// All entries in key order.
    ///
    /// # Errors
    /// `Closed`.
    pub fn iter(&self) -> Result<Iter<K, V>> {
        self.iter_between((Vec::new(), None))
    }

    /// The entries whose keys lie in `range`, as in `range("a".."c")`.
    ///
    /// # Errors
    /// `Closed`; `InvalidRange` if the range starts behind its end.
    pub fn range<Q: AsKey<K>>(&self, range: impl RangeBounds<Q>) -> Result<Iter<K, V>> {
        self.iter_between(encode_bounds(&range)?)
    }

    /// The entries whose encoded keys begin with the encoding of `prefix`: for strings, byte strings and
    /// fixed arrays those that begin with it.
    ///
    /// # Errors
    /// `Closed`.
    pub fn prefix(&self, prefix: impl AsKey<K>) -> Result<Iter<K, V>> {
        let bounds = prefix.with_key(prefix_bounds);
        self.iter_between(bounds)
    }

    /// The entries whose encoded keys begin with these bytes, as for the first part of a tuple.
    ///
    /// # Errors
    /// `Closed`.
    pub fn prefix_bytes(&self, prefix: &[u8]) -> Result<Iter<K, V>> {
        self.iter_between(prefix_bounds(prefix))
    }

    fn iter_between(&self, bounds: (Vec<u8>, Option<Vec<u8>>)) -> Result<Iter<K, V>> {
        self.core().health.check_readable()?;
        Ok(Iter::new(Arc::clone(&self.point), bounds))
    }

    /// A cursor that lends keys and values.
    ///
    /// # Errors
    /// `Closed`.
    pub fn cursor(&self) -> Result<Cursor<K, V>> {
        self.core().health.check_readable()?;
        Ok(Cursor::new(Arc::clone(&self.point), (Vec::new(), None)))
    }

    /// The entry with the least key.
    ///
    /// # Errors
    /// Those of [`Snapshot::get`].
    pub fn first(&self) -> Result<Option<(K, V)>> {
        self.iter()?.next().transpose()
    }

    /// The entry with the greatest key.
    ///
    /// # Errors
    /// Those of [`Snapshot::get`].
    pub fn last(&self) -> Result<Option<(K, V)>> {
        self.iter()?.next_back().transpose()
    }

    /// The exact number of entries: a scan over all of them.
    ///
    /// # Errors
    /// `Closed`, `Corruption`, I/O.
    pub fn len(&self) -> Result<u64> {
        self.iter()?.count_left()
    }

    /// Whether there is no entry at all.
    ///
    /// # Errors
    /// Those of [`Snapshot::len`].
    pub fn is_empty(&self) -> Result<bool> {
        let mut cursor = self.cursor()?;
        Ok(!cursor.seek_to_first()?)
    }
}
