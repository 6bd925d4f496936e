//! What may stand for a key or a value in a call, so that the caller need not make an owned one.
//!
//! Both by value and behind a reference, so that a call may take `impl AsKey<K>` or `&(impl AsKey<K> + ?Sized)`.

use std::borrow::Cow;
use std::sync::Arc;

use super::{KeyType, Raw, ValueType};

/// Stands for a key of type `K`: a `K`, a `&K`, a `&str` for strings, a `&[u8]` for byte strings.
///
/// The bytes given to `f` must be those of the key of type `K` that is meant.
///
/// ```
/// use hestiastore::types::{AsKey, KeyType};
///
/// fn length<K: KeyType>(key: impl AsKey<K>) -> usize {
///     key.with_key(|bytes| bytes.len())
/// }
///
/// assert_eq!(length::<String>("apple"), 5);
/// assert_eq!(length::<Vec<u8>>(b"apple"), 5);
/// assert_eq!(length::<u64>(7), 8);
/// assert_eq!(length::<(u32, String)>((7, "apple".to_owned())), 9);
/// ```
pub trait AsKey<K: KeyType> {
    /// Calls `f` with the encoded key.
    fn with_key<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R;
}

/// Stands for a value of type `V`, as [`AsKey`] does for a key.
///
/// ```
/// use hestiastore::types::{AsValue, ValueType};
///
/// fn length<V: ValueType>(value: impl AsValue<V>) -> usize {
///     value.with_value(|bytes| bytes.len())
/// }
///
/// assert_eq!(length::<String>("red"), 3);
/// assert_eq!(length::<Option<u16>>(Some(9)), 3);
/// ```
pub trait AsValue<V: ValueType> {
    /// Calls `f` with the encoded value.
    fn with_value<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R;
}

impl<K: KeyType> AsKey<K> for K {
    fn with_key<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        self.with_encoded(f)
    }
}

impl<K: KeyType> AsKey<K> for &K {
    fn with_key<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        (*self).with_encoded(f)
    }
}

impl<V: ValueType> AsValue<V> for V {
    fn with_value<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        self.with_encoded(f)
    }
}

impl<V: ValueType> AsValue<V> for &V {
    fn with_value<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        (*self).with_encoded(f)
    }
}

/// `$lent` stands for `$owned`, its bytes being those that `AsRef` of `$via` gives.
macro_rules! lends {
    ($owned:ty, $via:ty: $([$($generics:tt)*] $lent:ty),* $(,)?) => {$(
        impl<$($generics)*> AsKey<$owned> for $lent {
            fn with_key<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
                f(<Self as AsRef<$via>>::as_ref(self).as_ref())
            }
        }

        impl<$($generics)*> AsValue<$owned> for $lent {
            fn with_value<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
                f(<Self as AsRef<$via>>::as_ref(self).as_ref())
            }
        }
    )*};
}

lends!(String, str: [] str, [] &str, [] &&str, [] Cow<'_, str>, [] Box<str>, [] Arc<str>);
lends!(Box<str>, str: [] str, [] &str, [] &&str, [] Cow<'_, str>, [] String, [] &String);
lends!(Arc<str>, str: [] str, [] &str, [] &&str, [] Cow<'_, str>, [] String, [] &String);

macro_rules! lends_bytes {
    ($owned:ty: $([] $lent:ty),* $(,)?) => {
        lends!(
            $owned, [u8]:
            [] [u8], [] &[u8], [] &&[u8], [] Cow<'_, [u8]>,
            [const N: usize] [u8; N], [const N: usize] &[u8; N], [const N: usize] &&[u8; N],
            $([] $lent),*
        );
    };
}

lends_bytes!(Vec<u8>: [] Box<[u8]>, [] Arc<[u8]>);
lends_bytes!(Box<[u8]>: [] Vec<u8>, [] &Vec<u8>);
lends_bytes!(Arc<[u8]>: [] Vec<u8>, [] &Vec<u8>);
lends_bytes!(Raw: [] Vec<u8>, [] &Vec<u8>, [] Box<[u8]>, [] Arc<[u8]>);
