//! Real threads against what they may see: every history is checked for strict serialisability, and money moves
//! between accounts while nothing else stands still.
//!
//! `HESTIA_THREADS_SECONDS` makes each test go on for so long, with new seeds; `HESTIA_THREADS_SEED` sets the first seed.
//! A seed repeats the settings and what each thread does, though not how the threads meet.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod audit;
mod bank;
mod checker;
mod checker_tests;
mod images;
mod linearisable;
mod recorder;
mod rounds;
mod unrest;
mod world;
