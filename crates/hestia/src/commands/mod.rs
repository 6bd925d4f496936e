//! One file a command: its arguments with their help, and what it does.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod compact;
pub(crate) mod config;
pub(crate) mod count;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod dump;
pub(crate) mod get;
pub(crate) mod load;
pub(crate) mod put;
pub(crate) mod repair;
pub(crate) mod scan;
pub(crate) mod scrub;
pub(crate) mod stats;
pub(crate) mod wal;
