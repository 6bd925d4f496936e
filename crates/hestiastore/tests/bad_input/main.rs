//! Bad input of every kind: a clear error, nothing lost, never a panic or a hang.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test helpers fail by panicking")]

mod damage;
mod directories;
mod keys;
mod limits;
mod missing;
mod openers;
mod support;
