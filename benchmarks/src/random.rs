//! Numbers: a small generator, zipfian ranks, a scrambled order.

/// splitmix64.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// At least 0, less than 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// YCSB's zipfian ranks: 0 is the hottest of `count`.
#[derive(Clone)]
pub struct Zipf {
    count: u64,
    theta: f64,
    zeta: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    /// YCSB's constant.
    const THETA: f64 = 0.99;

    pub fn new(count: u64) -> Self {
        let theta = Self::THETA;
        let zeta_to = |end: u64| (1..=end).map(|rank| 1.0 / (rank as f64).powf(theta)).sum::<f64>();
        let zeta = zeta_to(count);
        let eta = (1.0 - (2.0 / count as f64).powf(1.0 - theta)) / (1.0 - zeta_to(2) / zeta);
        Self { count, theta, zeta, alpha: 1.0 / (1.0 - theta), eta }
    }

    pub fn rank(&self, random: &mut Random) -> u64 {
        let unit = random.unit();
        let scaled = unit * self.zeta;
        if scaled < 1.0 {
            0
        } else if scaled < 1.0 + 0.5f64.powf(self.theta) {
            1
        } else {
            let rank = self.count as f64 * (self.eta * unit - self.eta + 1.0).powf(self.alpha);
            (rank as u64).min(self.count - 1)
        }
    }

    /// A number below `count`, as likely as its rank, with the hot ones spread over all.
    pub fn scrambled(&self, random: &mut Random) -> u64 {
        fnv(self.rank(random)) % self.count
    }
}

/// FNV-1a of a number's bytes, as YCSB hashes them.
pub fn fnv(number: u64) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    number.to_be_bytes().iter().rev().fold(0xcbf2_9ce4_8422_2325, |hash, byte| step(hash, *byte))
}

/// Takes `0..count` to itself, each number once, in a scrambled order.
pub fn permuted(count: u64) -> impl Fn(u64) -> u64 + Copy {
    let mut step = (count as f64 * 0.618_033_988_75) as u64 | 1;
    while common_divisor(step, count) != 1 {
        step += 2;
    }
    move |number| ((u128::from(number) * u128::from(step) + 7) % u128::from(count)) as u64
}

fn common_divisor(mut left: u64, mut right: u64) -> u64 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_visits_all() {
        for count in [1u64, 2, 10, 1_000, 65_536] {
            let mut seen: Vec<u64> = (0..count).map(permuted(count)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_hottest_rank_has_its_share() {
        let (zipf, mut random) = (Zipf::new(1_000), Random::new(1));
        let hottest = (0..100_000).filter(|_| zipf.rank(&mut random) == 0).count();
        let expected = 100_000.0 / zipf.zeta;
        assert!((hottest as f64 - expected).abs() < expected / 10.0, "{hottest} of {expected}");
    }
}
