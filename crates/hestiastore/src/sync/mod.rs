//! Locks, atomics, atomic pointers and threads: whatever decides the order in which threads see each other's doings.
//!
//! The engine takes them from here and nowhere else, so that the feature `exploration` can put others in their
//! place, whose every use is a point where a schedule is chosen. In the ordinary build this is a list of names and
//! nothing more. Counters of metrics order nothing and stay with the standard library; so do tests, which drive the
//! engine from outside, and the buffers that a thread keeps for encoding.

#[cfg(feature = "exploration")]
mod explored;
#[cfg(not(feature = "exploration"))]
mod ordinary;

#[cfg(feature = "exploration")]
pub(crate) use explored::*;
#[cfg(not(feature = "exploration"))]
pub(crate) use ordinary::*;
