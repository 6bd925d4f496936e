//! Strings and byte strings: their bytes are their encoding.

use std::sync::Arc;

use super::{KeyType, decode_error};
use crate::Result;

macro_rules! string {
    ($type:ty) => {
        impl KeyType for $type {
            fn type_name() -> String {
                "string".to_owned()
            }

            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_bytes());
            }

            fn with_encoded<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
                f(self.as_bytes())
            }

            fn decode(bytes: &[u8]) -> Result<Self> {
                match std::str::from_utf8(bytes) {
                    Ok(text) => Ok(text.into()),
                    Err(error) => Err(decode_error("string", error.to_string())),
                }
            }
        }
    };
}

macro_rules! byte_string {
    ($type:ty) => {
        impl KeyType for $type {
            fn type_name() -> String {
                "bytes".to_owned()
            }

            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self);
            }

            fn with_encoded<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
                f(self)
            }

            fn decode(bytes: &[u8]) -> Result<Self> {
                Ok(bytes.into())
            }
        }
    };
}

string!(String);
string!(Box<str>);
string!(Arc<str>);
byte_string!(Vec<u8>);
byte_string!(Box<[u8]>);
byte_string!(Arc<[u8]>);
