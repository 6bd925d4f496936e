//! Keys and values of types with a syntax of their own.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{Place, assert_contains, hestia, hestia_reading};

#[test]
fn numbers_sort_as_numbers() {
    let place = Place::created("i64", "f64");
    hestia_reading(&["load", &place.index], b"10\t1.5\n-5\tinf\n9\t-0.0\n100\t1e300\n").ok();
    assert_eq!(hestia(&["scan", &place.index]).ok_text(), "-5\tinf\n9\t-0.0\n10\t1.5\n100\t1e300\n");
    assert_eq!(
        hestia(&["scan", &place.index, "--from", "-4", "--to", "100"]).ok_text(),
        "9\t-0.0\n10\t1.5\n"
    );
    assert_eq!(hestia(&["get", &place.index, "-5"]).ok_text(), "inf\n");
    hestia(&["put", &place.index, "-7", "-2.5"]).ok();
    hestia(&["delete", &place.index, "-5"]).ok();
    assert_eq!(hestia(&["scan", &place.index, "--limit", "1"]).ok_text(), "-7\t-2.5\n");
    assert_contains(&hestia(&["get", &place.index, "seven"]).failed(), "no i64");
    assert_contains(&hestia(&["put", &place.index, "7", "x"]).failed(), "no f64");
}

#[test]
fn tuples_options_and_arrays() {
    let place = Place::created("(u32,string)", "option<[u8;2]>");
    for (key, value) in
        [(r#"(7, "b\tc")"#, "some(0x00ff)"), (r#"(7, "a")"#, "none"), (r#"( 10 ,"z")"#, "some(0x0a0b)")]
    {
        hestia(&["put", &place.index, key, value]).ok();
    }
    let all = "(7, \"a\")\tnone\n(7, \"b\\tc\")\tsome(0x00ff)\n(10, \"z\")\tsome(0x0a0b)\n";
    let scanned = hestia(&["scan", &place.index]).ok_text();
    assert_eq!(scanned, all);
    assert_eq!(hestia(&["get", &place.index, r#"(7,"a")"#]).ok_text(), "none\n");
    assert_eq!(hestia(&["scan", &place.index, "--prefix", r#"(7, "")"#]).ok_text().lines().count(), 2);
    assert_contains(&hestia(&["stats", &place.index]).ok_text(), "(u32, string) -> option<[u8; 2]>");

    let copy = Place::created("(u32, string)", "option<[u8; 2]>");
    hestia_reading(&["load", &copy.index], all.as_bytes()).ok();
    assert_eq!(hestia(&["scan", &copy.index]).ok_text(), all);
    let jsonl = hestia(&["scan", &place.index, "--format", "jsonl"]).ok();
    hestia_reading(&["load", &copy.index, "--format", "jsonl"], &jsonl).ok();
    assert_eq!(hestia(&["scan", &copy.index]).ok_text(), all);
}

#[test]
fn a_type_of_a_program_is_shown_as_bytes() {
    struct Stamp(u8);
    impl hestiastore::types::ValueType for Stamp {
        fn type_name() -> String {
            "acme.stamp".to_owned()
        }
        fn encode(&self, out: &mut Vec<u8>) {
            out.push(self.0);
        }
        fn decode(bytes: &[u8]) -> hestiastore::Result<Self> {
            Ok(Self(bytes[0]))
        }
    }
    let place = Place::new();
    let index = hestiastore::SegmentIndex::<u64, Stamp>::builder(&place.index).create().unwrap();
    index.put(1u64, Stamp(b'!')).unwrap();
    index.close().unwrap();
    let ended = hestia(&["scan", &place.index]);
    assert_eq!((ended.code, ended.stdout.as_slice()), (Some(0), &b"1\t!\n"[..]));
    assert_contains(&ended.stderr, "hestia: note: acme.stamp is a program's own type");
}
