//! The rules of `PROTOCOL.md` as they show in the public interface and in the files. Each test is named after
//! its rule; `docs/reliability.md` lists all of them, also those inside `src/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test helpers fail by panicking")]

mod closing;
mod commits;
mod durability;
mod files;
mod interplay;
mod limits;
mod loading;
mod mapped;
mod observed;
mod order;
mod pool;
mod refused;
mod strides;
mod support;
