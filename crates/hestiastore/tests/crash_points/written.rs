//! Scripts written by hand, each for something that short ones do not reach.

/// Logs turn, runs are merged until nothing is left, segments are split, and merged where they are to be larger.
pub const SCRIPTS: &[&str] = &[
    "sync empty: put 1 1",
    "buffered empty: put 0 6; sync; delete 2 2; put 3 2",
    "group-sync empty: put 0 5; delete 0 2",
    "buffered empty: batch 0 20; batch 10 30; flush; batch 5 10",
    "buffered empty: put 0 10; flush; put 5 10",
    "buffered empty: put 0 10; flush; delete 3 4; flush; put 2 3; compact; put 0 2",
    "buffered empty: put 0 5; reopen; put 5 5; reopen; flush; reopen; delete 0 8",
    "buffered empty: batch 0 150; batch 150 150; flush; batch 0 170; flush; batch 9 150",
    "sync empty: batch 0 150; put 0 1; batch 150 150; put 1 1; flush; batch 0 170",
    "buffered empty: batch 0 200; flush; settle; batch 100 100; flush; settle",
    "group-sync empty: batch 0 200; flush; settle; wide 0 6; settle",
    "off empty: put 0 8; flush; put 4 8; reopen; put 0 2",
    "off empty: batch 0 200; flush; settle; wide 0 5; flush; wide 1 5; reopen",
    "buffered empty: put 0 5; flush; delete 0 5; compact; put 1 1; compact",
    "buffered segments: wide 0 5; reopen; wide 1 5; flush; compact",
    "sync segments: batch 0 200; batch 100 150; settle; delete 0 3; compact",
    "buffered segments: wide 0 5; widen; put 0 1; settle; flush",
    "sync segments: widen; delete 1 1; settle; batch 0 30; reopen",
    "off segments: wide 0 5; flush; widen; wide 3 5; settle; reopen",
    "buffered segments: batch 0 60; compact 30 60; delete 31 2; compact 30 60",
];
