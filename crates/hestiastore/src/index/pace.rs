//! How fast writers may go while the write budget fills: towards what flushes give back.
//!
//! A virtual clock over the bytes admitted. Each byte costs time, and the more the fuller the budget is:
//! nothing at the soft mark, as much as a flush takes for it at three quarters of the way from there to the
//! limit, and without bound towards the limit. So the admitted rate meets the rate of the flushes
//! before the limit is met, whether room comes back in small parts or in large ones.
//!
//! Plain arithmetic on times that the caller brings.

/// Below this a debt is remembered, not slept off: a sleep costs more than it says.
pub(super) const LEAST_SLEEP_NANOS: u64 = 500_000;
/// Nobody is slowed for longer at once.
const LONGEST_NANOS: u64 = 200_000_000;

/// How full it is, from 0 (at the soft mark) to 1000 (at the limit).
pub(super) type PressurePerMille = u64;

/// What the flushes of late gave back in the time that any was at work.
#[derive(Debug, Default)]
pub(super) struct FlushRate {
    at_work: u32,
    since_nanos: u64,
    busy_nanos: u64,
    given_back_bytes: u64,
}

impl FlushRate {
    pub(super) fn begin_flush(&mut self, now_nanos: u64) {
        self.count_time(now_nanos);
        self.at_work += 1;
    }

    pub(super) fn end_flush(&mut self, now_nanos: u64) {
        self.count_time(now_nanos);
        self.at_work = self.at_work.saturating_sub(1);
        self.forget_some();
    }

    pub(super) fn give_back(&mut self, bytes: u64) {
        if self.at_work > 0 {
            self.given_back_bytes += bytes;
        }
    }

    fn count_time(&mut self, now_nanos: u64) {
        if self.at_work > 0 {
            self.busy_nanos += now_nanos.saturating_sub(self.since_nanos);
        }
        self.since_nanos = now_nanos;
    }

    /// Half of what is long ago.
    fn forget_some(&mut self) {
        const REMEMBERED_NANOS: u64 = 4_000_000_000;
        if self.busy_nanos > REMEMBERED_NANOS {
            self.busy_nanos /= 2;
            self.given_back_bytes /= 2;
        }
    }

    /// What a byte takes to be flushed; 0 while nothing is known.
    fn nanos_per_byte(&self) -> f64 {
        if self.given_back_bytes == 0 {
            return 0.0;
        }
        self.busy_nanos as f64 / self.given_back_bytes as f64
    }
}

/// The virtual clock: up to when what was admitted is paid.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) flushes: FlushRate,
    pub(super) longest_nanos: u64,
    paid_until_nanos: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { flushes: FlushRate::default(), longest_nanos: LONGEST_NANOS, paid_until_nanos: 0 }
    }
}

/// What who asks for admission is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Go, and let the clock stand there.
    Go { paid_until_nanos: u64 },
    /// Sleep so long, and ask again.
    Sleep { nanos: u64 },
}

impl Pace {
    /// What `bytes` cost at this pressure.
    fn cost_nanos(&self, bytes: u64, pressure: PressurePerMille) -> u64 {
        /// Where cost meets the flushes': at three quarters of the way.
        const STEEPNESS: f64 = 3.0;
        const FULLEST: PressurePerMille = 990;
        let pressure = pressure.min(FULLEST) as f64 / 1000.0;
        let times_flush = pressure / (STEEPNESS * (1.0 - pressure));
        let nanos = bytes as f64 * self.flushes.nanos_per_byte() * times_flush;
        (nanos as u64).min(self.longest_nanos)
    }

    /// Whether somebody who is first since `since_nanos` may go with `bytes`. One who has slept goes when all is
    /// paid; one who has not goes with a small debt.
    pub(super) fn turn(
        &self,
        bytes: u64,
        pressure: PressurePerMille,
        since_nanos: u64,
        now_nanos: u64,
        has_slept: bool,
    ) -> Turn {
        let cost_nanos = self.cost_nanos(bytes, pressure);
        if cost_nanos == 0 {
            return Turn::Go { paid_until_nanos: self.paid_until_nanos.min(now_nanos) };
        }
        let due_nanos = self.paid_until_nanos.max(since_nanos).saturating_add(cost_nanos);
        let owed_nanos = due_nanos.saturating_sub(now_nanos);
        let may_owe_nanos = if has_slept { 0 } else { LEAST_SLEEP_NANOS };
        if owed_nanos <= may_owe_nanos {
            return Turn::Go { paid_until_nanos: due_nanos };
        }
        Turn::Sleep { nanos: owed_nanos }
    }

    pub(super) fn set_paid(&mut self, until_nanos: u64) {
        self.paid_until_nanos = until_nanos;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flushes have given back one byte a microsecond.
    fn pace() -> Pace {
        let mut pace = Pace::default();
        pace.flushes.begin_flush(0);
        pace.flushes.give_back(1_000_000);
        pace.flushes.end_flush(1_000_000_000);
        pace
    }

    #[test]
    fn the_rate_of_flushes_counts_the_time_that_any_is_at_work() {
        let mut rate = FlushRate::default();
        assert_eq!(rate.nanos_per_byte(), 0.0);
        rate.begin_flush(1_000);
        rate.begin_flush(1_500);
        rate.give_back(100);
        rate.end_flush(2_000);
        rate.give_back(100);
        rate.end_flush(3_000);
        // Nothing to flush for a while.
        rate.begin_flush(9_000);
        rate.give_back(200);
        rate.end_flush(11_000);
        assert_eq!(rate.nanos_per_byte(), 4_000.0 / 400.0);
    }

    #[test]
    fn cost_rises_with_pressure_and_meets_the_flushes_at_three_quarters() {
        let pace = pace();
        assert_eq!(pace.cost_nanos(1_000, 0), 0);
        assert_eq!(pace.cost_nanos(1_000, 750), 1_000_000);
        assert!((1..1_000_000).contains(&pace.cost_nanos(1_000, 400)));
        assert!(pace.cost_nanos(1_000, 950) > 5_000_000);
        assert_eq!(pace.cost_nanos(1_000, 5_000), pace.cost_nanos(1_000, 990), "finite");
    }

    #[test]
    fn nobody_is_slowed_before_any_flush_was_measured() {
        assert_eq!(Pace::default().turn(1 << 30, 999, 5, 5, false), Turn::Go { paid_until_nanos: 0 });
    }

    #[test]
    fn small_debts_add_up_to_one_sleep_and_batches_pay_by_bytes() {
        let mut pace = pace();
        let mut bytes = 0;
        // 100 bytes cost 100 us: five fit the debt that is let pass.
        while let Turn::Go { paid_until_nanos } = pace.turn(100, 750, 0, 0, false) {
            bytes += 100;
            pace.set_paid(paid_until_nanos);
        }
        assert_eq!(bytes, 500);
        assert_eq!(pace.turn(100, 750, 0, 0, false), Turn::Sleep { nanos: 600_000 });
        assert_eq!(pace.turn(10_000, 750, 0, 0, false), Turn::Sleep { nanos: 10_500_000 });
        // Who has slept sleeps to the end; then the debts begin anew.
        assert_eq!(pace.turn(100, 750, 0, 550_000, true), Turn::Sleep { nanos: 50_000 });
        assert_eq!(pace.turn(100, 750, 0, 600_000, true), Turn::Go { paid_until_nanos: 600_000 });
        pace.set_paid(600_000);
        assert_eq!(pace.turn(100, 750, 600_000, 600_000, false), Turn::Go { paid_until_nanos: 700_000 });
    }

    #[test]
    fn a_debt_is_forgotten_when_the_pressure_is_gone() {
        let mut pace = pace();
        pace.set_paid(9_000_000);
        assert_eq!(pace.turn(100, 0, 0, 1_000, true), Turn::Go { paid_until_nanos: 1_000 });
    }

    #[test]
    fn time_that_nobody_used_is_no_credit() {
        let pace = pace();
        let late = 1_000_000_000;
        assert_eq!(pace.turn(100, 750, late, late, false), Turn::Go { paid_until_nanos: late + 100_000 });
        assert_eq!(pace.turn(10_000, 750, late, late, false), Turn::Sleep { nanos: 10_000_000 });
    }

    /// One segment that holds half of the budget is flushed whole: writers who could fill the other half in
    /// no time are slowed so that they do not come to the limit before.
    #[test]
    fn writers_do_not_meet_the_limit_while_one_large_flush_is_at_work() {
        const LIMIT: u64 = 64 << 20;
        const SOFT: u64 = LIMIT / 8 * 5;
        let mut pace = pace();
        let (mut now, mut used) = (2_000_000_000, LIMIT / 2);
        let flushed_at = now + LIMIT / 2 * 1_000;
        while now < flushed_at {
            let pressure = used.saturating_sub(SOFT) * 1000 / (LIMIT - SOFT);
            let (since, mut has_slept) = (now, false);
            let paid_until_nanos = loop {
                match pace.turn(1_000, pressure, since, now, has_slept) {
                    Turn::Sleep { nanos } => (now, has_slept) = (now + nanos, true),
                    Turn::Go { paid_until_nanos } => break paid_until_nanos,
                }
            };
            pace.set_paid(paid_until_nanos);
            used += 1_000;
            now += 100;
            assert!(used <= LIMIT);
        }
        assert!(used > LIMIT / 100 * 95, "and the flush that follows finds enough: {used}");
    }
}
