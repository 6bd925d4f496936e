use super::*;
use crate::run::key_hash;

fn hashes(from: u64, count: u64) -> Vec<u64> {
    (from..from + count).map(|i| key_hash(3, &i.to_be_bytes())).collect()
}

#[test]
fn f6_the_rate_of_false_positives_is_near_the_target() {
    let keys = hashes(0, 100_000);
    let absent = hashes(1 << 32, 200_000);
    for (rate, limit) in [(0.1, 0.12), (0.01, 0.014), (0.001, 0.002)] {
        let shape = BloomSettings::Rate(rate).shape(keys.len() as u64).unwrap();
        let filter = BloomFilter::parse(&encode_filter(shape, &keys)).unwrap();
        assert!(keys.iter().all(|&hash| filter.may_contain(hash)));
        let passed = absent.iter().filter(|&&hash| filter.may_contain(hash)).count();
        let found = passed as f64 / absent.len() as f64;
        assert!(found < limit && found > rate / 2.0, "{found} for {rate}");
    }
}

#[test]
fn sizes_follow_the_formulas() {
    let shape = BloomSettings::Rate(0.01).shape(1_000_000).unwrap();
    // 9.585 bits a key
    assert_eq!((shape.blocks, shape.probes), (18_721, 7));
    assert_eq!(BloomSettings::Off.shape(10), None);
    assert_eq!(BloomSettings::Rate(0.5).shape(0), None);
    let fixed = BloomSettings::Fixed { bytes: 1000, hashes: 3 }.shape(10).unwrap();
    assert_eq!(fixed, BloomShape { blocks: 16, probes: 3 });
    assert_eq!(BloomSettings::Fixed { bytes: u64::MAX, hashes: 3 }.shape(10).unwrap().blocks, 1 << 24);
    for wrong in [
        BloomSettings::Rate(0.0),
        BloomSettings::Rate(1.0),
        BloomSettings::Rate(f64::NAN),
        BloomSettings::Fixed { bytes: 0, hashes: 3 },
        BloomSettings::Fixed { bytes: 1, hashes: 0 },
        BloomSettings::Fixed { bytes: 1, hashes: 33 },
    ] {
        assert!(wrong.check().is_err(), "{wrong:?}");
    }
}

#[test]
fn every_number_of_probes_finds_its_keys() {
    let keys = hashes(9, 500);
    for probes in 1..=32 {
        let shape = BloomShape { blocks: 7, probes };
        let filter = BloomFilter::parse(&encode_filter(shape, &keys)).unwrap();
        assert!(keys.iter().all(|&hash| filter.may_contain(hash)));
    }
}

#[test]
fn f6_filter_bytes_are_fixed() {
    let shape = BloomShape { blocks: 1, probes: 3 };
    let encoded = encode_filter(shape, &[0x0123_4567_89ab_cdef]);
    let set: Vec<(usize, u8)> =
        encoded.iter().copied().enumerate().skip(8).filter(|&(_, byte)| byte != 0).collect();
    assert_eq!(encoded[..8], [0, 0, 0, 1, 0, 0, 0, 3]);
    assert_eq!(set, [(11, 32), (20, 8), (66, 1)]);
}

#[test]
fn f6_a_malformed_filter_is_refused() {
    let encoded = encode_filter(BloomShape { blocks: 2, probes: 3 }, &[]);
    assert!(BloomFilter::parse(&encoded).is_ok());
    for length in 0..encoded.len() {
        assert!(BloomFilter::parse(&encoded[..length]).is_err());
    }
    for probes in [0u8, 33] {
        let mut forged = encoded.clone();
        forged[7] = probes;
        assert!(BloomFilter::parse(&forged).is_err());
    }
    assert!(BloomFilter::parse(&[0, 0, 0, 0, 0, 0, 0, 3]).is_err());
}
