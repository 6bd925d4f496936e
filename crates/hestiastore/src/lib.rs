//! # HestiaStore
//!
//! An embedded, ordered, persistent key-value store for one process and one directory.

pub mod config;
pub mod directory;
pub mod environment;
mod error;
pub mod metrics;

mod bytes;

pub use error::{Error, Result};
