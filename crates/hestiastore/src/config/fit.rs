//! What nobody set by hand: memory budgets are derived from `memory.budget_bytes`, or made smaller where there is
//! little memory; threads are made fewer where there are few processors.

use std::num::NonZeroUsize;

use super::{Config, ConfigPatch};

/// A memory budget.
struct Budget {
    name: &'static str,
    of: fn(&mut Config) -> &mut u64,
    /// Of how many bytes of the estimate each eight of it are: write buffers bring spare slabs and views.
    estimated_eighths: u64,
    /// How much of a budget for all memory it gets, in 32nds, with what it brings.
    share_of_32: u64,
}

const BUDGETS: [Budget; 4] = [
    Budget {
        name: "write_buffer.budget_bytes",
        of: |config| &mut config.write_buffer.budget_bytes,
        estimated_eighths: 12,
        share_of_32: 6,
    },
    Budget {
        name: "write_buffer.delta_cache_bytes",
        of: |config| &mut config.write_buffer.delta_cache_bytes,
        estimated_eighths: 8,
        share_of_32: 2,
    },
    Budget {
        name: "cache.chunk_bytes",
        of: |config| &mut config.cache.chunk_bytes,
        estimated_eighths: 8,
        share_of_32: 14,
    },
    Budget {
        name: "cache.loaded_bytes",
        of: |config| &mut config.cache.loaded_bytes,
        estimated_eighths: 8,
        share_of_32: 10,
    },
];

const STEP_BYTES: u64 = 64 << 10;

impl Budget {
    /// What the estimate says of so many bytes of it.
    fn estimated(&self, bytes: u64) -> u64 {
        bytes / 8 * self.estimated_eighths
    }

    /// A part of `bytes`, not less than `least`.
    fn set(&self, config: &mut Config, bytes: u64, (part, of): (u64, u64), least: u64) {
        let exact = u128::from(bytes) * u128::from(part) / u128::from(of.max(1));
        let exact = u64::try_from(exact).unwrap_or(u64::MAX);
        *(self.of)(config) = (exact / STEP_BYTES * STEP_BYTES).max(least);
    }
}

impl Config {
    /// This configuration with the patch's knobs in place of its own; if the patch sets the budget of all
    /// memory, with a share of it for each budget that the patch does not set. Not validated.
    pub(crate) fn configured(&self, patch: &ConfigPatch) -> Config {
        let mut config = self.patched(patch);
        let is_given = |name| patch.given().any(|(knob, _)| knob.name == name);
        let Some(all_bytes) = config.memory.budget_bytes.filter(|_| is_given("memory.budget_bytes")) else {
            return config;
        };
        let (given, derived): (Vec<_>, Vec<_>) = BUDGETS.iter().partition(|budget| is_given(budget.name));
        derived.iter().for_each(|budget| *(budget.of)(&mut config) = 0);
        let room = all_bytes.saturating_sub(config.memory_estimate_bytes());
        let shares = 32 - given.iter().map(|budget| budget.share_of_32).sum::<u64>();
        for budget in derived {
            let part = (budget.share_of_32 * 8, shares * budget.estimated_eighths);
            budget.set(&mut config, room, part, STEP_BYTES);
        }
        config
    }

    /// The same with no more maintenance threads than processors, if there are as many as by default.
    pub(crate) fn fitted_to_processors(&self, processors: Option<NonZeroUsize>) -> Config {
        let mut fitted = self.clone();
        let threads = &mut fitted.maintenance.threads;
        if *threads == Config::default().maintenance.threads {
            *threads = (*threads).min(processors.map_or(u32::MAX, |most| most.get() as u32));
        }
        fitted
    }

    /// The same with the budgets that have their default made smaller, if all together would take more than
    /// half of `limit_bytes`: so that they do not, unless others are too large for that. None is made smaller than a
    /// sixty-fourth.
    pub(crate) fn fitted_to(&self, limit_bytes: Option<u64>) -> Config {
        let mut fitted = self.clone();
        let Some(most_bytes) = limit_bytes.map(|bytes| bytes / 2) else { return fitted };
        let total = self.memory_estimate_bytes();
        if total <= most_bytes {
            return fitted;
        }
        let mut defaults = Config::default();
        let mut movable = Vec::new();
        for budget in &BUDGETS {
            let default = *(budget.of)(&mut defaults);
            if *(budget.of)(&mut fitted) == default {
                movable.push((budget, default));
            }
        }
        let movable_bytes: u64 = movable.iter().map(|(budget, bytes)| budget.estimated(*bytes)).sum();
        let room = most_bytes.saturating_sub(total.saturating_sub(movable_bytes));
        for (budget, default) in movable {
            budget.set(&mut fitted, default, (room, movable_bytes), default / 64);
        }
        fitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn m3_defaults_take_no_more_than_half_of_what_there_is() {
        let config = Config::default();
        assert_eq!(config.fitted_to(None), config);
        assert_eq!(config.fitted_to(Some(2 * config.memory_estimate_bytes())), config);
        for limit in [100, 200, 400, 800].map(|mib| mib * MIB) {
            let fitted = config.fitted_to(Some(limit));
            fitted.validate().unwrap();
            let estimate = fitted.memory_estimate();
            assert!(estimate.total_bytes() <= limit / 2, "{estimate} in {limit}");
            assert!(estimate.total_bytes() > limit / 2 - MIB, "{estimate} in {limit}");
        }
        let least = config.fitted_to(Some(MIB));
        least.validate().unwrap();
        assert_eq!(least.write_buffer.budget_bytes, MIB);
    }

    #[test]
    fn threads_are_no_more_than_processors_unless_set_by_hand() {
        let threads = |config: &Config, processors| {
            config.fitted_to_processors(NonZeroUsize::new(processors)).maintenance.threads
        };
        let mut config = Config::default();
        assert_eq!([0, 1, 2, 64].map(|processors| threads(&config, processors)), [2, 1, 2, 2]);
        config.maintenance.threads = 4;
        assert_eq!(threads(&config, 1), 4);
    }

    #[test]
    fn what_was_set_by_hand_stays() {
        let mut config = Config::default();
        config.cache.chunk_bytes = 512 * MIB;
        let fitted = config.fitted_to(Some(512 * MIB));
        assert_eq!(fitted.cache.chunk_bytes, 512 * MIB);
        assert_eq!(fitted.cache.loaded_bytes, 4 * MIB, "the least");
        config.cache.chunk_bytes = 16 * MIB;
        let fitted = config.fitted_to(Some(512 * MIB));
        assert_eq!(fitted.cache.chunk_bytes, 16 * MIB);
        assert!(fitted.memory_estimate_bytes() <= 256 * MIB);
    }

    #[test]
    fn m3_one_budget_sets_all_that_are_not_set_beside_it() {
        for all in [64, 256, 1_024, 65_536].map(|mib| mib * MIB) {
            let patch = ConfigPatch::default().memory(|m| m.budget_bytes(Some(all)));
            let config = Config::default().configured(&patch);
            config.validate().unwrap();
            let estimate = config.memory_estimate();
            assert!(
                estimate.total_bytes() <= all && estimate.total_bytes() > all - MIB,
                "{estimate} of {all}"
            );
            let patch = patch.cache(|c| c.chunk_bytes(8 * MIB));
            let config = config.configured(&patch);
            config.validate().unwrap();
            assert_eq!(config.cache.chunk_bytes, 8 * MIB);
            let estimate = config.memory_estimate();
            assert!(
                estimate.total_bytes() <= all && estimate.total_bytes() > all - MIB,
                "{estimate} of {all}"
            );
        }
    }

    #[test]
    fn m3_a_budget_that_does_not_hold_its_parts_is_refused() {
        let patch = ConfigPatch::default().memory(|m| m.budget_bytes(Some(100 * MIB)));
        let config = Config::default().configured(&patch);
        let larger = ConfigPatch::default().cache(|c| c.chunk_bytes(100 * MIB));
        assert!(config.configured(&larger).validate().is_err());
        let too_small = ConfigPatch::default().memory(|m| m.budget_bytes(Some(2 * MIB)));
        assert!(Config::default().configured(&too_small).validate().is_err());
    }
}
