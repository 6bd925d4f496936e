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

/// All targets with their names, which are those of the folders of the corpus.
pub const TARGETS: [(&str, fn(&[u8])); 19] = [
    ("block", block),
    ("bloom", bloom),
    ("chunk", chunk),
    ("config_binary", config_binary),
    ("config_text", config_text),
    ("entries", entries),
    ("file_header", file_header),
    ("filters", filters),
    ("footer", footer),
    ("manifest_edit", manifest_edit),
    ("manifest_file", manifest_file),
    ("operations", operations),
    ("properties", properties),
    ("run", run),
    ("sparse", sparse),
    ("type_encodings", type_encodings),
    ("type_texts", type_texts),
    ("wal_log", wal_log),
    ("wal_replay", wal_replay),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// `operations` opens stores; all others take microseconds.
    fn mutations(name: &str) -> u32 {
        if name == "operations" { 100 } else { 3000 }
    }

    #[test]
    fn every_target_takes_its_corpus_and_mutations_of_it() {
        for (name, target) in TARGETS {
            corpus::check(name, target, mutations(name));
        }
    }
}
