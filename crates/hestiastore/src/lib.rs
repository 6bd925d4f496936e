//! # HestiaStore
//!
//! An embedded, ordered, persistent key-value store for one process and one directory.

pub mod directory;
pub mod environment;
mod error;

mod bytes;
mod manifest;

pub use error::{Error, Result};
