//! The bank as it would be found after a crash at any moment.

use std::sync::atomic::{AtomicBool, Ordering};

use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, SimulatedDirectory};

use crate::audit::{assert_total, audit};
use crate::bank::Bank;
use crate::world::Dice;

/// Takes images of the directory and opens them.
pub struct Photographer<'a> {
    bank: &'a Bank,
    dice: Dice,
}

/// What an image is of.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Crash {
    Kill,
    PowerCut(CrashPolicy),
}

impl<'a> Photographer<'a> {
    pub fn new(bank: &'a Bank, dice: Dice) -> Self {
        Self { bank, dice }
    }

    /// Says how many images were taken.
    pub fn go_on_until(&mut self, stop: &AtomicBool) -> u64 {
        let mut images = 0;
        while !stop.load(Ordering::Acquire) {
            self.take_one();
            images += 1;
        }
        images
    }

    fn take_one(&mut self) {
        let crash = self.dice.pick(&[
            Crash::Kill,
            Crash::Kill,
            Crash::PowerCut(CrashPolicy::LoseAll),
            Crash::PowerCut(CrashPolicy::Prefix),
            Crash::PowerCut(CrashPolicy::RandomSectors),
            Crash::PowerCut(CrashPolicy::TornLastWrite),
        ]);
        let safe = self.safe_versions(crash);
        let image = self.image(crash);
        let begun = self.bank.begun();
        let index = self.bank.settings.builder(&image).open().unwrap();
        let balances = audit(&index.snapshot().unwrap(), self.dice.below(2));
        if self.bank.settings.durability != Durability::Off {
            assert_total(&balances, &format!("{crash:?}"));
        }
        for (account, balance) in balances.iter().enumerate() {
            let (least, most, version) = (safe[account], begun[account], balance.version);
            assert!(
                (least..=most).contains(&version),
                "{crash:?}, {account}: {version} not in {least} to {most}"
            );
        }
        if self.dice.below(4) == 0 {
            let report = index.check().unwrap();
            assert!(report.is_clean(), "{crash:?}: {report}");
        }
    }

    fn image(&mut self, crash: Crash) -> SimulatedDirectory {
        match crash {
            Crash::Kill => self.bank.directory.kill(),
            Crash::PowerCut(policy) => self.bank.directory.crash(policy, self.dice.roll()),
        }
    }

    /// Versions that the image must hold at least.
    fn safe_versions(&self, crash: Crash) -> Vec<u64> {
        let acknowledged = self.bank.acknowledged();
        match self.bank.settings.durability {
            Durability::Off => self.bank.index.flush_and_wait().unwrap(),
            Durability::Buffered if crash != Crash::Kill => self.bank.index.sync().unwrap(),
            _ => {}
        }
        acknowledged
    }
}
