//! Typed keys and values over a core that sees only bytes.
//!
//! A [`KeyType`] says how a key becomes bytes, a [`ValueType`] how a value does. Keys are encoded so
//! that byte order *is* their order: the core compares with `memcmp` and never calls a user's code.
//! The encodings of the built-in types are fixed to the byte in `docs/format/types.md`.
//!
//! | name | Rust | order |
//! |---|---|---|
//! | `u8` to `u128`, `i8` to `i128` | the same | numeric |
//! | `f32`, `f64` | the same | IEEE 754 `totalOrder`, as `total_cmp` |
//! | `bool`, `char` | the same | `false < true`; by code point |
//! | `string` | `String`, `Box<str>`, `Arc<str>` | by code points, as `str` |
//! | `bytes` | `Vec<u8>`, `Box<[u8]>`, `Arc<[u8]>` | bytewise |
//! | `unit` | `()` | |
//! | `[T; N]` | the same | element by element |
//! | `(A, B)` | tuples of one to six | component by component |
//! | `option<T>` | `Option<T>` | `None` first |
//! | `*` | [`Raw`] | bytewise; stands for every type |
//!
//! What neighbours may rely on:
//! 1. One type name means one encoding, for keys and for values. Names are persisted.
//! 2. For keys `a`, `b` of one type: `a < b` exactly if `encode(a) < encode(b)` bytewise, and the same
//!    for the component form, whatever bytes follow either.
//! 3. Decoding is total: arbitrary bytes give a value or [`Error::Decode`]. A
//!    built-in type accepts only what its `encode` writes.
//! 4. Numbers, `char`, `bool`, strings, byte strings and byte arrays reach the core without an
//!    allocation; everything else through a buffer that its thread keeps.
//!
//! `usize` and `isize` are left out: their width is the machine's.

mod borrowed;
mod compound;
mod escape;
mod fixed;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod key;
mod raw;
mod scratch;
mod strings;
mod text;
mod value;

#[cfg(test)]
mod tests;

pub use borrowed::{AsKey, AsValue};
pub use key::KeyType;
pub use raw::Raw;
pub use text::TypeDescriptor;
pub use value::ValueType;

use crate::Error;

/// Whether an index with the type `stored` may be opened as `requested`.
pub(crate) fn names_match(stored: &str, requested: &str) -> bool {
    requested == raw::NAME || requested == stored
}

fn decode_error(type_name: impl Into<String>, detail: impl Into<String>) -> Error {
    Error::Decode { type_name: type_name.into(), detail: detail.into() }
}
