//! # HestiaStore
//!
//! An embedded, ordered, persistent key-value store for one process and one directory.

pub mod directory;
pub mod environment;
mod error;

mod block;
mod bytes;
mod chunk;
mod file_header;
mod run;

pub use error::{Error, Result};
