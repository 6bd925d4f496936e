//! What a key must be able to do.

use super::{decode_error, escape, scratch};
use crate::Result;

/// A type whose values can be keys.
///
/// `type_name`, `encode` and `decode` are to be written; the rest follows, at the cost of a copy.
///
/// ```
/// use hestiastore::Result;
/// use hestiastore::types::KeyType;
///
/// #[derive(Debug, PartialEq, PartialOrd)]
/// struct OrderId {
///     customer: String,
///     number: u64,
/// }
///
/// impl KeyType for OrderId {
///     fn type_name() -> String {
///         "acme.order_id".to_owned()
///     }
///
///     // Every field but the last as a component, so that it ends where it ends.
///     fn encode(&self, out: &mut Vec<u8>) {
///         self.customer.encode_component(out);
///         self.number.encode(out);
///     }
///
///     fn decode(bytes: &[u8]) -> Result<Self> {
///         let (customer, number) = <(String, u64)>::decode(bytes)?;
///         Ok(Self { customer, number })
///     }
/// }
///
/// let early = OrderId { customer: "abel".to_owned(), number: 700 };
/// let late = OrderId { customer: "abelard".to_owned(), number: 3 };
/// assert!(early < late);
/// early.with_encoded(|early| late.with_encoded(|late| assert!(early < late)));
/// assert_eq!(early.with_encoded(OrderId::decode)?, early);
/// # Ok::<(), hestiastore::Error>(())
/// ```
pub trait KeyType: Sized + Send + Sync + 'static {
    /// The name that is stored in the index and compared when it is opened.
    ///
    /// It stands for the encoding: change it when the encoding changes. Choose one of letters,
    /// digits, `_`, `.` and `-` that is not a built-in's, unless the encoding is that built-in's: then
    /// the tools can show the keys.
    fn type_name() -> String;

    /// Appends the key's bytes. `a < b` exactly if `a`'s bytes are less than `b`'s.
    fn encode(&self, out: &mut Vec<u8>);

    /// Calls `f` with the key's bytes, without an allocation if the type can.
    fn with_encoded<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        scratch::with_buffer(|out| self.encode(out), f)
    }

    /// Reads a key from its bytes, all of them.
    ///
    /// # Errors
    /// [`Error::Decode`](crate::Error::Decode) if the bytes are not what `encode` writes.
    fn decode(bytes: &[u8]) -> Result<Self>;

    /// Appends the key as a part of a larger one: the bytes must tell where they end, and must keep
    /// their order whatever follows (no key's bytes may begin another's).
    ///
    /// As given, this is right for every type. A type of fixed width can do without the escapes and
    /// call `encode`; change [`KeyType::decode_component`] with it.
    fn encode_component(&self, out: &mut Vec<u8>) {
        self.with_encoded(|bytes| escape::write(bytes, out));
    }

    /// Reads what [`KeyType::encode_component`] wrote from the front of `input`, and moves `input` behind it.
    ///
    /// # Errors
    /// [`Error::Decode`](crate::Error::Decode) if `input` does not begin with such bytes.
    fn decode_component(input: &mut &[u8]) -> Result<Self> {
        let bytes = escape::read(input).map_err(|detail| decode_error(Self::type_name(), detail))?;
        Self::decode(&bytes)
    }

    /// Calls `f` with the bytes of an array of keys: the components of its elements, one after the other.
    /// Only types that can do it without a copy write their own.
    fn with_encoded_array<const N: usize, R>(array: &[Self; N], f: impl FnOnce(&[u8]) -> R) -> R {
        let fill = |out: &mut Vec<u8>| array.iter().for_each(|item| item.encode_component(out));
        scratch::with_buffer(fill, f)
    }

    /// Reads an array of keys from the front of `input`. Only types that can do it without an
    /// allocation write their own.
    ///
    /// # Errors
    /// [`Error::Decode`](crate::Error::Decode) if `input` does not begin with `N` components.
    fn decode_array<const N: usize>(input: &mut &[u8]) -> Result<[Self; N]> {
        super::compound::decode_items(|| Self::decode_component(input))
    }
}
