//! Entry points for fuzzers: one function a decoder, which takes any bytes and panics at a finding.
//!
//! Not part of the engine's interface; there only in tests and with the feature `fuzzing`. `fuzz/` runs them
//! under libFuzzer, and a unit test over the corpus in `fuzz/corpus` and mutations of it.
//!
//! Checksums would keep a fuzzer out, so most targets try their input twice: as it is, and with
//! the checksums put right around it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a finding is a panic")]

pub mod corpus;
mod operations;
#[cfg(test)]
mod seeds;

pub use crate::block::fuzz::block;
pub use crate::chunk::fuzz::{chunk, filters};
pub use crate::config::fuzz::{binary as config_binary, text as config_text};
pub use crate::file_header::fuzz::file_header;
pub use crate::manifest::fuzz::{edit as manifest_edit, file as manifest_file};
pub use crate::run::fuzz::{bloom, entries, footer, properties, run, sparse};
pub use crate::types::fuzz::{encodings as type_encodings, texts as type_texts};
pub use crate::wal::fuzz::{log as wal_log, replays as wal_replay};
pub use operations::operations;

#[cfg(test)]
mod tests {
    use super::corpus;

    /// A test for each target, with so many mutations of its corpus: less of those that take longer.
    macro_rules! takes_its_corpus {
        ($($target:ident: $mutations:literal),* $(,)?) => {$(
            #[test]
            fn $target() {
                corpus::check(stringify!($target), super::$target, $mutations);
            }
        )*};
    }

    takes_its_corpus! {
        block: 2000,
        bloom: 3000,
        chunk: 2000,
        config_binary: 3000,
        config_text: 500,
        entries: 3000,
        file_header: 3000,
        filters: 3000,
        footer: 3000,
        manifest_edit: 3000,
        manifest_file: 500,
        operations: 40,
        properties: 3000,
        run: 1000,
        sparse: 3000,
        type_encodings: 1000,
        type_texts: 3000,
        wal_log: 1000,
        wal_replay: 1000,
    }
}
