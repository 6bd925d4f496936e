//! Random damage to a random file: never a panic, never a wrong entry that no loss covers.

use hestiastore::directory::Directory;

use crate::store::{Store, rich};
use crate::twice::assert_stays_without_manifest;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }

    fn file(&mut self, store: &Store) -> String {
        let mut files = store.files("");
        files.retain(|file| file == "MANIFEST" || file.ends_with(".sst") || file.ends_with(".wal"));
        files.swap_remove(self.below(files.len() as u64) as usize)
    }
}

/// Harms a file and says how.
fn harm(store: &Store, random: &mut Random) -> String {
    let file = random.file(store);
    let length = store.length(&file);
    let place = random.below(length);
    match random.below(6) {
        0 => {
            let mask = 1 << random.below(8);
            store.directory.flip_bit(&file, place, mask).ok();
            format!("{file}: flip {mask:#x} at {place}")
        }
        1 => {
            let sector = place / 512 * 512;
            store.fill(&file, sector..(sector + 512).min(length), 0);
            format!("{file}: zero sector at {sector}")
        }
        2 => {
            let wide = 1 + random.below(20_000);
            store.fill(&file, place..(place + wide).min(length), 0xa5);
            format!("{file}: {wide} bytes at {place}")
        }
        3 => {
            store.directory.truncate(&file, place).unwrap();
            format!("{file}: cut to {place}")
        }
        4 => {
            store.directory.remove(&file).unwrap();
            format!("{file}: removed")
        }
        _ => {
            let other = random.file(store);
            let (a, b) = (store.bytes(&file), store.bytes(&other));
            store.directory.write_all(&file, &b).unwrap();
            store.directory.write_all(&other, &a).unwrap();
            format!("{file}: swapped with {other}")
        }
    }
}

fn cases() -> u64 {
    std::env::var("HESTIA_REPAIR_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(120)
}

#[test]
fn any_damage_is_repaired_or_told() {
    let originals = [rich().close(), rich().kill()];
    for case in 0..cases() {
        let mut random = Random(case);
        let store = originals[(case % 2) as usize].copy();
        let harms = 1 + random.below(4) / 3;
        let what: Vec<String> = (0..harms).map(|_| harm(&store, &mut random)).collect();
        let what = format!("case {case}: {}", what.join("; "));
        assert_stays_without_manifest(&store, &what);
        store.repaired(&what);
    }
}
