//! The index against a model: random histories of writes, reads, maintenance, restarts and crashes,
//! each step compared with a `BTreeMap`.
//!
//! `HESTIA_MODEL_CASES` sets how many histories are tried, `HESTIA_MODEL_SEED` which ones. A history that
//! fails is shrunk and printed; it belongs into `regressions.rs` when the bug is mended.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod data;
mod generate;
mod history;
mod life;
mod reading;
mod regressions;
mod settings;
mod step;
mod trouble;
mod world;

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Histories in an ordinary run of the tests.
const CASES: u32 = 120;

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn the_index_is_what_the_model_is() {
    let cases = number_from_environment("HESTIA_MODEL_CASES").map_or(CASES, |cases| cases as u32);
    let seed = number_from_environment("HESTIA_MODEL_SEED").unwrap_or(1);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: number_from_environment("HESTIA_MODEL_SHRINK").map_or(3_000, |most| most as u32),
        max_shrink_time: 120_000,
        ..Config::default()
    };
    let mut seed_bytes = [7; 32];
    seed_bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes));
    let outcome = runner.run(&generate::history(), |history| {
        world::run(&history);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, plan)) => panic!("{reason}\nshrunk to {plan:?}"),
        Err(aborted) => panic!("{aborted}"),
    }
}
