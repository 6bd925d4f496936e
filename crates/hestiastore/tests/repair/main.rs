//! Damage of every kind, repaired: what is left is right, or told as lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod any_damage;
mod crashes;
mod logs;
mod manifests;
mod merges;
mod runs;
mod store;
mod twice;
