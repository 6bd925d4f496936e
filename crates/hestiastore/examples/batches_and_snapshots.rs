//! Money moves between accounts while somebody adds it all up: batches are atomic, snapshots stand still.

use std::sync::Arc;

use hestiastore::{Result, SegmentIndex, WriteBatch};

const ACCOUNTS: u64 = 100;
const EACH: i64 = 1_000;

fn main() -> Result<()> {
    let bank = Arc::new(SegmentIndex::<u64, i64>::in_memory().create()?);
    for account in 0..ACCOUNTS {
        bank.put(account, EACH)?;
    }
    let mover = {
        let bank = Arc::clone(&bank);
        std::thread::spawn(move || -> Result<()> {
            for n in 0..5_000u64 {
                let (from, to) = (n % ACCOUNTS, (n * 7 + 3) % ACCOUNTS);
                if from != to {
                    let amount = (n % 9) as i64;
                    let mut transfer = WriteBatch::new();
                    transfer.put(from, bank.get(from)?.unwrap_or(0) - amount)?;
                    transfer.put(to, bank.get(to)?.unwrap_or(0) + amount)?;
                    bank.write(transfer)?;
                }
            }
            Ok(())
        })
    };
    for _ in 0..20 {
        let now = bank.snapshot()?;
        let total: i64 = now.iter()?.map(|entry| entry.map(|(_, balance)| balance)).sum::<Result<i64>>()?;
        assert_eq!(total, ACCOUNTS as i64 * EACH);
    }
    mover.join().unwrap_or(Ok(()))?;
    println!("every snapshot added up to {}", ACCOUNTS as i64 * EACH);
    Ok(())
}
