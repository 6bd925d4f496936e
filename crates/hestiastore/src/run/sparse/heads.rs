//! Search over the first eight bytes of the separators, as numbers.
//!
//! A table over the leading bits of the heads' range narrows the search to a few neighbours where
//! keys are spread evenly, and costs one more access where they are not.

/// Ascending numbers with a table over them.
#[derive(Debug)]
pub(super) struct Heads {
    heads: Box<[u64]>,
    /// `table[b]` is the first place whose bucket is at least b; one more at the end.
    table: Box<[u32]>,
    least: u64,
    shift: u32,
}

impl Heads {
    /// `heads` must ascend (equal neighbours are fine) and be fewer than 2^32.
    pub(super) fn new(heads: Vec<u64>) -> Self {
        const HEADS_PER_BUCKET: usize = 2;
        let least = heads.first().copied().unwrap_or(0);
        let spread = heads.last().copied().unwrap_or(0) - least;
        let bucket_bits = (heads.len() / HEADS_PER_BUCKET).max(1).ilog2();
        let shift = (u64::BITS - spread.leading_zeros()).saturating_sub(bucket_bits);
        let bucket = |head: u64| ((head - least).checked_shr(shift).unwrap_or(0)) as usize;
        let buckets = bucket(least + spread) + 1;
        let mut table = Vec::with_capacity(buckets + 1);
        for (i, &head) in heads.iter().enumerate() {
            while table.len() <= bucket(head) {
                table.push(i as u32);
            }
        }
        table.resize(buckets + 1, heads.len() as u32);
        Self { heads: heads.into(), table: table.into(), least, shift }
    }

    /// How many heads are at most `x`.
    #[inline]
    pub(super) fn count_up_to(&self, x: u64) -> usize {
        let Some(above_least) = x.checked_sub(self.least) else {
            return 0;
        };
        let bucket = above_least.checked_shr(self.shift).unwrap_or(0) as usize;
        let bucket = bucket.min(self.table.len().saturating_sub(2));
        let (Some(&low), Some(&high)) = (self.table.get(bucket), self.table.get(bucket + 1)) else {
            return 0;
        };
        let (low, high) = (low as usize, high as usize);
        let within = self.heads.get(low..high).unwrap_or(&[]);
        low + within.partition_point(|&head| head <= x)
    }

    #[inline]
    pub(super) fn get(&self, i: usize) -> Option<u64> {
        self.heads.get(i).copied()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.heads.len() * 8 + self.table.len() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::key_head;

    fn check(heads: Vec<u64>) {
        let searched = Heads::new(heads.clone());
        let near = heads.iter().flat_map(|&h| [h.saturating_sub(1), h, h.saturating_add(1)]);
        for x in near.chain([0, 1, u64::MAX / 2, u64::MAX]) {
            let expected = heads.iter().filter(|&&head| head <= x).count();
            assert_eq!(searched.count_up_to(x), expected, "{x} in {heads:?}");
        }
    }

    #[test]
    fn finds_the_place_in_even_skewed_and_equal_heads() {
        check(vec![]);
        check(vec![0]);
        check(vec![u64::MAX]);
        check(vec![7; 40]);
        check((0..1000).collect());
        check((0..1000).map(|i| i * (u64::MAX / 1000)).collect());
        check((0..64).map(|bit| 1u64 << bit).collect());
        check(vec![0, 0, 0, 5, 5, u64::MAX, u64::MAX]);
        check((0..100).map(|i| if i < 90 { 3 } else { u64::MAX - 100 + i }).collect());
    }

    #[test]
    fn a_head_keeps_the_order_of_keys() {
        assert_eq!(key_head(b""), 0);
        assert_eq!(key_head(b"\x01"), 1 << 56);
        assert_eq!(key_head(b"abcdefgh"), key_head(b"abcdefghi"));
        assert!(key_head(b"ab") < key_head(b"abc"));
    }
}
