//! Several writes that happen at once.

use std::marker::PhantomData;

use super::commit::Commit;
use crate::config::Durability;
use crate::error::Result;
use crate::types::{AsKey, AsValue, KeyType, ValueType};

/// Puts and deletes that become visible, and survive a crash, all together or not at all, over any
/// number of segments.
///
/// Operations apply in the order they were added. A batch is held in memory as it goes to the log; at
/// most 2 GiB.
///
/// ```
/// use hestiastore::{SegmentIndex, WriteBatch};
///
/// let accounts = SegmentIndex::<String, i64>::in_memory().create()?;
/// let mut transfer = WriteBatch::new();
/// transfer.put("anna", &70)?;
/// transfer.put("ben", &30)?;
/// transfer.delete("pending")?;
/// accounts.write(transfer)?;
/// assert_eq!(accounts.get("ben")?, Some(30));
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug)]
pub struct WriteBatch<K, V> {
    pub(crate) commit: Commit,
    pub(crate) durability: Option<Durability>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: KeyType, V: ValueType> WriteBatch<K, V> {
    /// A batch of nothing.
    pub fn new() -> Self {
        Self { commit: Commit::default(), durability: None, types: PhantomData }
    }

    /// Adds a put.
    ///
    /// # Errors
    /// A key or value beyond its limit, or a batch beyond its own; the batch stays as it was.
    pub fn put(&mut self, key: impl AsKey<K>, value: impl AsValue<V>) -> Result<&mut Self> {
        let commit = &mut self.commit;
        key.with_key(|key| value.with_value(|value| commit.put(key, value)))?;
        Ok(self)
    }

    /// Adds a delete. Deleting what is not there is fine.
    ///
    /// # Errors
    /// As [`WriteBatch::put`].
    pub fn delete(&mut self, key: impl AsKey<K>) -> Result<&mut Self> {
        let commit = &mut self.commit;
        key.with_key(|key| commit.delete(key))?;
        Ok(self)
    }

    /// Asks for more safety than the index gives by default. A weaker mode changes nothing; in an index
    /// without a log (`Off`) anything stronger is refused when the batch is written.
    pub fn durability(&mut self, durability: Durability) -> &mut Self {
        self.durability = Some(durability);
        self
    }

    /// The number of operations.
    pub fn len(&self) -> u64 {
        self.commit.operation_count()
    }

    /// Whether the batch holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: KeyType, V: ValueType> Default for WriteBatch<K, V> {
    fn default() -> Self {
        Self::new()
    }
}
