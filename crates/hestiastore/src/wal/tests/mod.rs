//! The rules L3, L4 and L5, round trips, forged bytes and golden bytes.

mod l3;
mod l4;
mod l5;
mod properties;
mod reading;
mod records;
mod replaying;

use super::test_support::*;
use crate::Error;

fn assert_damage<T: std::fmt::Debug>(result: crate::Result<T>, file: &str, at: u64, says: &str) {
    match result {
        Err(Error::Corruption { file: found, offset, detail }) => {
            assert_eq!((found.as_str(), offset), (file, at), "{detail}");
            assert!(detail.contains(says), "{detail}");
        }
        other => panic!("expected damage of {file} at {at}, found {other:?}"),
    }
}

/// Seqs 1 to 30 in three records; the offsets of the second, the third and the end.
fn three_records() -> (TestLog, [u64; 3]) {
    let mut log = TestLog::first(1);
    let offsets = [(); 3].map(|()| log.puts(10).offset());
    (log, offsets)
}

/// A log with seqs 1 to 20, and a second one that follows it with 21 to 40.
fn two_logs() -> (TestLog, TestLog) {
    let mut one = TestLog::first(1);
    one.puts(10).puts(10);
    let mut two = TestLog::after(&one);
    two.puts(10).puts(10);
    (one, two)
}
