//! What a value must be able to do.

use std::sync::Arc;

use super::{KeyType, Raw, decode_error, escape, scratch};
use crate::Result;

/// A type whose values can be stored under a key.
///
/// Values need no order, but a built-in type has the same bytes as value and as key. Where both traits
/// are in scope, say which is meant: `ValueType::encode(&value, out)`.
///
/// ```
/// use hestiastore::Result;
/// use hestiastore::types::ValueType;
///
/// #[derive(Debug, PartialEq)]
/// struct Account {
///     owner: String,
///     balance: i64,
/// }
///
/// impl ValueType for Account {
///     fn type_name() -> String {
///         "acme.account".to_owned()
///     }
///
///     fn encode(&self, out: &mut Vec<u8>) {
///         self.balance.encode(out);
///         self.owner.encode(out);
///     }
///
///     fn decode(bytes: &[u8]) -> Result<Self> {
///         let (balance, owner) = <(i64, String)>::decode(bytes)?;
///         Ok(Self { owner, balance })
///     }
/// }
///
/// let account = Account { owner: "abel".to_owned(), balance: -5 };
/// assert_eq!(account.with_encoded(Account::decode)?, account);
/// # Ok::<(), hestiastore::Error>(())
/// ```
pub trait ValueType: Sized + Send + Sync + 'static {
    /// The name that is stored in the index and compared when it is opened; as [`KeyType::type_name`].
    fn type_name() -> String;

    /// Appends the value's bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// Calls `f` with the value's bytes, without an allocation if the type can.
    fn with_encoded<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        scratch::with_buffer(|out| self.encode(out), f)
    }

    /// Reads a value from its bytes, all of them.
    ///
    /// # Errors
    /// [`Error::Decode`](crate::Error::Decode) if the bytes are not what `encode` writes.
    fn decode(bytes: &[u8]) -> Result<Self>;

    /// Appends the value as a part of a larger one: the bytes must tell where they end.
    ///
    /// As given, this is right for every type.
    fn encode_component(&self, out: &mut Vec<u8>) {
        self.with_encoded(|bytes| escape::write(bytes, out));
    }

    /// Reads what [`ValueType::encode_component`] wrote from the front of `input`, and moves `input` behind it.
    ///
    /// # Errors
    /// [`Error::Decode`](crate::Error::Decode) if `input` does not begin with such bytes.
    fn decode_component(input: &mut &[u8]) -> Result<Self> {
        let bytes = escape::read(input).map_err(|detail| decode_error(Self::type_name(), detail))?;
        Self::decode(&bytes)
    }

    /// Calls `f` with the bytes of an array; as [`KeyType::with_encoded_array`].
    fn with_encoded_array<const N: usize, R>(array: &[Self; N], f: impl FnOnce(&[u8]) -> R) -> R {
        let fill = |out: &mut Vec<u8>| array.iter().for_each(|item| item.encode_component(out));
        scratch::with_buffer(fill, f)
    }

    /// Reads an array from the front of `input`; as [`KeyType::decode_array`].
    ///
    /// # Errors
    /// [`Error::Decode`](crate::Error::Decode) if `input` does not begin with `N` components.
    fn decode_array<const N: usize>(input: &mut &[u8]) -> Result<[Self; N]> {
        super::compound::decode_items(|| Self::decode_component(input))
    }
}

macro_rules! as_its_key {
    ($($type:ty),*) => {$(
        impl ValueType for $type {
            fn type_name() -> String {
                <Self as KeyType>::type_name()
            }

            fn encode(&self, out: &mut Vec<u8>) {
                KeyType::encode(self, out);
            }

            fn with_encoded<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
                KeyType::with_encoded(self, f)
            }

            fn decode(bytes: &[u8]) -> Result<Self> {
                <Self as KeyType>::decode(bytes)
            }

            fn encode_component(&self, out: &mut Vec<u8>) {
                KeyType::encode_component(self, out);
            }

            fn decode_component(input: &mut &[u8]) -> Result<Self> {
                <Self as KeyType>::decode_component(input)
            }

            fn with_encoded_array<const N: usize, R>(
                array: &[Self; N],
                f: impl FnOnce(&[u8]) -> R,
            ) -> R {
                <Self as KeyType>::with_encoded_array(array, f)
            }

            fn decode_array<const N: usize>(input: &mut &[u8]) -> Result<[Self; N]> {
                <Self as KeyType>::decode_array(input)
            }
        }
    )*};
}

as_its_key!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64, bool, char);
as_its_key!(String, Box<str>, Arc<str>, Vec<u8>, Box<[u8]>, Arc<[u8]>, Raw);
