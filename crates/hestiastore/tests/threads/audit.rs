//! Readers of the bank: a snapshot's total is exact however it is looked at, and no account goes back in time.

use std::sync::atomic::{AtomicBool, Ordering};

use hestiastore::Snapshot;

use crate::bank::{ACCOUNTS, Balance, Bank, TOTAL, account_key};
use crate::world::Dice;

/// Ways to look at a snapshot.
const WAYS: u64 = 6;

/// All accounts as a snapshot shows them, looked at in the `way`th manner.
pub fn audit(snapshot: &Snapshot<u64, Vec<u8>>, way: u64) -> Vec<Balance> {
    let mut entries: Vec<(u64, Vec<u8>)> = Vec::new();
    match way {
        0 => entries.extend(snapshot.iter().unwrap().map(Result::unwrap)),
        1 => {
            entries.extend(snapshot.iter().unwrap().rev().map(Result::unwrap));
            entries.reverse();
        }
        2 => {
            let mut from = 0;
            for end in (3..ACCOUNTS).step_by(7).map(|account| account_key(account) + account % 2) {
                entries.extend(snapshot.range(from..end).unwrap().map(Result::unwrap));
                from = end;
            }
            entries.extend(snapshot.range(from..).unwrap().map(Result::unwrap));
        }
        3 => {
            let mut cursor = snapshot.cursor().unwrap();
            let mut on_entry = cursor.seek_to_first().unwrap();
            while on_entry {
                entries.push((cursor.key().unwrap(), cursor.value().unwrap()));
                on_entry = cursor.next().unwrap();
            }
        }
        4 => {
            let mut all = snapshot.iter().unwrap();
            let mut back = Vec::new();
            while let Some(entry) = all.next() {
                entries.push(entry.unwrap());
                back.extend(all.next_back().map(Result::unwrap));
            }
            entries.extend(back.into_iter().rev());
        }
        _ => {
            let found = snapshot.get_many((0..ACCOUNTS).map(account_key)).unwrap();
            entries.extend((0..ACCOUNTS).map(account_key).zip(found.into_iter().map(Option::unwrap)));
        }
    }
    assert!(entries.windows(2).all(|pair| pair[0].0 < pair[1].0), "way {way}: out of order");
    let mut accounts = (0..ACCOUNTS).map(account_key).peekable();
    entries.retain(|(key, _)| accounts.next_if(|account| account == key).is_some());
    let balances: Vec<Balance> = entries.iter().map(|(_, value)| Balance::of(value)).collect();
    assert_eq!(balances.len() as u64, ACCOUNTS, "way {way}: an account is missing");
    balances
}

pub fn assert_total(balances: &[Balance], what: &str) {
    let total: u64 = balances.iter().map(|balance| balance.amount).sum();
    assert_eq!(total, TOTAL, "{what}: {balances:?}");
}

/// A snapshot of some time ago, and what it showed then.
struct Kept {
    snapshot: Snapshot<u64, Vec<u8>>,
    balances: Vec<Balance>,
}

/// One reading thread.
pub struct Auditor<'a> {
    bank: &'a Bank,
    dice: Dice,
    /// The newest version seen of each account.
    seen: Vec<u64>,
    kept: Option<Kept>,
}

impl<'a> Auditor<'a> {
    pub fn new(bank: &'a Bank, dice: Dice) -> Self {
        Self { bank, dice, seen: vec![0; ACCOUNTS as usize], kept: None }
    }

    /// Says how many snapshots were looked at.
    pub fn go_on_until(&mut self, stop: &AtomicBool) -> u64 {
        let mut audits = 0;
        while !stop.load(Ordering::Acquire) {
            (0..20).for_each(|_| self.look_at_one());
            self.look_at_all();
            audits += 1;
        }
        audits
    }

    fn look_at_one(&mut self) {
        let account = self.dice.below(ACCOUNTS) as usize;
        let least = self.bank.accounts[account].acknowledged.load(Ordering::SeqCst).max(self.seen[account]);
        let found =
            self.bank.index.get(account_key(account as u64)).unwrap().expect("the account is missing");
        let version = Balance::of(&found).version;
        let most = self.bank.accounts[account].begun.load(Ordering::SeqCst);
        assert!((least..=most).contains(&version), "account {account}: {version} not in {least} to {most}");
        self.seen[account] = version;
    }

    fn look_at_all(&mut self) {
        let least = self.bank.acknowledged();
        let snapshot = self.bank.index.snapshot().unwrap();
        let most = self.bank.begun();
        let (way, other_way) = (self.dice.below(WAYS), self.dice.below(WAYS));
        let balances = audit(&snapshot, way);
        assert_total(&balances, &format!("way {way}"));
        for (account, balance) in balances.iter().enumerate() {
            let least = least[account].max(self.seen[account]);
            let version = balance.version;
            assert!(
                (least..=most[account]).contains(&version),
                "account {account}: {version} is before {least}"
            );
            self.seen[account] = version;
        }
        if let Some(kept) = &self.kept {
            let now = audit(&kept.snapshot, other_way);
            assert_eq!(now, kept.balances, "a snapshot, looked at again in way {other_way}");
        }
        match self.dice.below(6) {
            0 => self.kept = Some(Kept { snapshot, balances }),
            1 => self.kept = None,
            _ => assert_eq!(audit(&snapshot, other_way), balances, "ways {way} and {other_way}"),
        }
    }
}
