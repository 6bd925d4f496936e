//! A bank: what a transfer takes from some accounts reaches others at once, over all segments.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use hestiastore::WriteBatch;
use hestiastore::config::Durability;
use hestiastore::directory::SimulatedDirectory;
use parking_lot::Mutex;

use crate::audit::{Auditor, audit};
use crate::images::Photographer;
use crate::rounds::repeat;
use crate::unrest::{StopOnDrop, Unrest};
use crate::world::{Dice, Index, Settings, be_u64, padded, watched_key};

pub const ACCOUNTS: u64 = 60;
const EACH: u64 = 1_000;
pub const TOTAL: u64 = ACCOUNTS * EACH;

pub fn account_key(account: u64) -> u64 {
    watched_key(account, ACCOUNTS)
}

/// What an account holds, and how often that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    pub amount: u64,
    pub version: u64,
}

impl Balance {
    fn value(&self) -> Vec<u8> {
        let fixed = [self.amount.to_be_bytes(), self.version.to_be_bytes()].concat();
        padded(fixed, self.version)
    }

    pub fn of(bytes: &[u8]) -> Self {
        let balance = Self { amount: be_u64(&bytes[..8]), version: be_u64(&bytes[8..16]) };
        assert!(bytes == balance.value(), "{balance:?} is not whole");
        balance
    }
}

/// An account, locked by whoever transfers; and between which versions a reader must find it.
pub struct Account {
    balance: Mutex<Balance>,
    /// Set before a write begins and after it has returned.
    pub begun: AtomicU64,
    pub acknowledged: AtomicU64,
}

pub struct Bank {
    pub index: Index,
    pub directory: SimulatedDirectory,
    pub settings: Settings,
    pub accounts: Vec<Account>,
}

impl Bank {
    fn open(settings: Settings) -> Self {
        let directory = SimulatedDirectory::new();
        let index = settings.create(&directory);
        let balance = Balance { amount: EACH, version: 0 };
        let mut opening = WriteBatch::new();
        for account in 0..ACCOUNTS {
            opening.put(account_key(account), balance.value()).unwrap();
        }
        index.write(opening).unwrap();
        // What is in no log is safe from a crash only then.
        index.flush_and_wait().unwrap();
        let account = || Account {
            balance: Mutex::new(balance),
            begun: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
        };
        let accounts = (0..ACCOUNTS).map(|_| account()).collect();
        Self { index, directory, settings, accounts }
    }

    /// Moves money around a ring of two to five accounts.
    fn transfer(&self, dice: &mut Dice) {
        let mut ring: Vec<u64> = (0..2 + dice.below(4)).map(|_| dice.below(ACCOUNTS)).collect();
        ring.sort_unstable();
        ring.dedup();
        // In ascending order, so that two tellers never wait for each other.
        let mut locked: Vec<_> =
            ring.iter().map(|account| self.accounts[*account as usize].balance.lock()).collect();
        for at in 0..locked.len() {
            let amount = dice.below(locked[at].amount + 1);
            let to = (at + 1) % locked.len();
            locked[at].amount -= amount;
            locked[to].amount += amount;
        }
        let mut batch = WriteBatch::new();
        for (account, balance) in ring.iter().zip(&mut locked) {
            balance.version += 1;
            self.accounts[*account as usize].begun.store(balance.version, Ordering::SeqCst);
            batch.put(account_key(*account), balance.value()).unwrap();
        }
        self.index.write(batch).unwrap();
        for (account, balance) in ring.iter().zip(&locked) {
            self.accounts[*account as usize].acknowledged.store(balance.version, Ordering::SeqCst);
            if dice.below(8) == 0 {
                let found = self.index.get(account_key(*account)).unwrap().unwrap();
                assert_eq!(
                    Balance::of(&found),
                    **balance,
                    "account {account} while nobody else may change it"
                );
            }
        }
    }

    pub fn acknowledged(&self) -> Vec<u64> {
        self.accounts.iter().map(|account| account.acknowledged.load(Ordering::SeqCst)).collect()
    }

    pub fn begun(&self) -> Vec<u64> {
        self.accounts.iter().map(|account| account.begun.load(Ordering::SeqCst)).collect()
    }

    /// Closes, opens, and finds everything.
    fn close_and_compare(self) {
        let report = self.index.check().unwrap();
        assert!(report.is_clean(), "{report}");
        self.index.close().unwrap();
        let index = self.settings.builder(&self.directory).open().unwrap();
        let expected: Vec<Balance> = self.accounts.iter().map(|account| *account.balance.lock()).collect();
        assert_eq!(audit(&index.snapshot().unwrap(), 0), expected);
    }
}

fn nothing_is_lost_or_made(durability: Durability) {
    let (mut transfers, mut audits, mut images, mut merges) = (0, 0, 0, 0);
    let rounds = repeat(3, |seed| {
        const TRANSFERS: u64 = 500;
        let bank = Bank::open(Settings::of(&mut Dice::of(&[seed, 2]), durability));
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let _stop = StopOnDrop(&stop);
            let (bank, stop) = (&bank, &stop);
            let is_watched = |key| (0..ACCOUNTS).any(|account| account_key(account) == key);
            scope.spawn(move || {
                Unrest::new(&bank.index, Dice::of(&[seed, 99]), &is_watched).go_on_until(stop);
            });
            let auditors: Vec<_> = (0..2)
                .map(|number| {
                    let mut auditor = Auditor::new(bank, Dice::of(&[seed, 10 + number]));
                    scope.spawn(move || auditor.go_on_until(stop))
                })
                .collect();
            let photographer =
                scope.spawn(move || Photographer::new(bank, Dice::of(&[seed, 20])).go_on_until(stop));
            let tellers: Vec<_> = (0..3)
                .map(|teller| {
                    let mut dice = Dice::of(&[seed, 30 + teller]);
                    scope.spawn(move || (0..TRANSFERS).for_each(|_| bank.transfer(&mut dice)))
                })
                .collect();
            tellers.into_iter().for_each(|teller| teller.join().unwrap());
            stop.store(true, Ordering::Release);
            audits += auditors.into_iter().map(|auditor| auditor.join().unwrap()).sum::<u64>();
            images += photographer.join().unwrap();
            transfers += 3 * TRANSFERS;
        });
        merges += bank.index.metrics_snapshot().segments.neighbour_merges;
        bank.close_and_compare();
    });
    println!(
        "bank: {rounds} banks, {transfers} transfers, {audits} audits, {images} crash images, {merges} merges of neighbours, {durability:?}"
    );
}

#[test]
fn c1_every_reader_sees_every_batch_wholly_when_buffered() {
    nothing_is_lost_or_made(Durability::Buffered);
}

#[test]
fn c1_every_reader_sees_every_batch_wholly_without_a_log() {
    nothing_is_lost_or_made(Durability::Off);
}

#[test]
fn c1_every_reader_sees_every_batch_wholly_with_shared_syncs() {
    nothing_is_lost_or_made(Durability::GroupSync);
}

#[test]
fn c1_every_reader_sees_every_batch_wholly_with_syncs() {
    nothing_is_lost_or_made(Durability::Sync);
}
