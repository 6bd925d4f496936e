//! Whole files: gone, older, or another's.

use hestiastore::directory::{Directory, SimulatedDirectory};

use crate::judge::{Case, Tally, Verdict};
use crate::sample::tell;
use crate::store::{End, State, Store, builder};

fn case<'a>(store: &'a Store, end: End, name: &str, what: &str) -> Case<'a> {
    Case { store, what: format!("{end:?}, {name}, {what}"), harmed: vec![name.to_owned()], deep: true }
}

#[test]
fn every_file_deleted() {
    let mut tally = Tally::default();
    for end in End::ALL {
        let store = Store::new(1, end);
        for name in store.files.keys() {
            let verdict = case(&store, end, name, "deleted").judge(|d| d.remove(name).unwrap());
            assert_eq!(verdict, Verdict::Told, "{end:?}, {name}");
            tally.count(verdict);
        }
    }
    tell(tally.cases(), "files deleted");
}

#[test]
fn every_file_replaced_by_another_of_its_kind() {
    let foreign = Store::new(1_000_000, End::Closed);
    let mut tally = Tally::default();
    for end in End::ALL {
        let store = Store::new(1, end);
        for name in store.files.keys() {
            let kind = &name[..4];
            for (whose, others) in [("own", &store.files), ("foreign", &foreign.files)] {
                let others = others
                    .iter()
                    .filter(|(other, bytes)| other.starts_with(kind) && **bytes != store.files[name]);
                for (other, bytes) in others {
                    let what = format!("replaced by {whose} {other}");
                    let verdict = case(&store, end, name, &what).judge(|d| d.write_all(name, bytes).unwrap());
                    assert_eq!(verdict, Verdict::Told, "{end:?}, {name}, {what}");
                    tally.count(verdict);
                }
            }
        }
    }
    tell(tally.cases(), "files replaced by others");
}

#[test]
fn every_file_replaced_by_an_older_generation() {
    let mut tally = Tally::default();
    for end in End::ALL {
        let store = Store::new(1, end);
        for (age, generation) in store.generations.iter().enumerate() {
            let older = generation
                .iter()
                .filter(|(name, bytes)| store.files.get(*name).is_some_and(|now| now != *bytes));
            for (name, bytes) in older {
                let what = format!("as of generation {age}");
                let mut case = case(&store, end, name, &what);
                if name == "MANIFEST" {
                    // It speaks of files that are gone since.
                    case.harmed.extend(generation.keys().cloned());
                }
                let verdict = case.judge(|d| d.write_all(name, bytes).unwrap());
                tally.count(verdict);
            }
        }
    }
    tell(tally.cases(), &format!("files replaced by older ones: {tally:?}"));
}

/// What no check can tell: everything is as it was once.
#[test]
fn a_whole_directory_of_another_time_is_what_it_was_then() {
    let store = Store::new(1, End::Closed);
    for generation in &store.generations {
        let directory = SimulatedDirectory::new();
        for (name, bytes) in generation {
            directory.write_all(name, bytes).unwrap();
        }
        let index = builder(&directory, 7).open().unwrap();
        let found: State = index.iter().unwrap().map(|entry| entry.unwrap()).collect();
        assert!(store.states.iter().any(|(_, state)| *state == found));
    }
}
