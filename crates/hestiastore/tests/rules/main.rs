//! The rules of `PROTOCOL.md` as they show in the public interface and in the files. Each test is named after
//! its rule; `docs/rules.md` lists all of them, also those inside `src/`.

mod commits;
mod durability;
mod files;
mod limits;
mod support;
