//! Examples: the bytes and the text of each type, what is refused, what may stand for what.

mod laws;

use std::borrow::Cow;
use std::sync::Arc;

use super::*;

fn encoded<K: KeyType>(key: &K) -> Vec<u8> {
    let mut out = vec![0xaa];
    key.encode(&mut out);
    let bytes = key.with_encoded(<[u8]>::to_vec);
    assert_eq!(out.split_first(), Some((&0xaa, &bytes[..])), "encode appends, and agrees with with_encoded");
    bytes
}

/// One type's name, a value, its bytes in hexadecimal and its text.
fn golden<K: KeyType + ValueType>(name: &str, key: K, hex: &str, text: &str) {
    assert_eq!(<K as KeyType>::type_name(), name);
    let bytes = encoded(&key);
    let found: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, hex, "{name}");
    assert_eq!(ValueType::with_encoded(&key, <[u8]>::to_vec), bytes);
    let descriptor = TypeDescriptor::parse(name).unwrap();
    let mut written = Vec::new();
    descriptor.write_text(&bytes, &mut written).unwrap();
    assert_eq!(String::from_utf8_lossy(&written), text, "{name}");
    assert_eq!(descriptor.parse_text(text.as_bytes()).unwrap(), bytes);
}

/// The examples of `docs/format/types.md`.
#[test]
fn golden_bytes() {
    golden("u8", 7u8, "07", "7");
    golden("u16", 258u16, "0102", "258");
    golden("u32", 258u32, "00000102", "258");
    golden("u64", 258u64, "0000000000000102", "258");
    golden("u128", 258u128, "00000000000000000000000000000102", "258");
    golden("i8", -1i8, "7f", "-1");
    golden("i16", 1i16, "8001", "1");
    golden("i32", i32::MIN, "00000000", "-2147483648");
    golden("i64", -2i64, "7ffffffffffffffe", "-2");
    golden("i128", 0i128, "80000000000000000000000000000000", "0");
    golden("f32", 1.5f32, "bfc00000", "1.5");
    golden("f32", -1.5f32, "403fffff", "-1.5");
    golden("f64", 0.0f64, "8000000000000000", "0.0");
    golden("f64", -0.0f64, "7fffffffffffffff", "-0.0");
    golden("f64", f64::INFINITY, "fff0000000000000", "inf");
    golden("f64", f64::NEG_INFINITY, "000fffffffffffff", "-inf");
    golden("f64", f64::NAN, "fff8000000000000", "NaN");
    golden("f64", -f64::NAN, "0007ffffffffffff", "NaN:fff8000000000000");
    golden("f32", f32::from_bits(0x7f80_0001), "ff800001", "NaN:7f800001");
    golden("bool", true, "01", "true");
    golden("char", 'é', "000000e9", "é");
    golden("string", "a\0é".to_owned(), "6100c3a9", "a\0é");
    golden("bytes", vec![0u8, b'a'], "0061", "\0a");
    golden("*", Raw(vec![0, b'a']), "0061", "\0a");
    golden("unit", (), "", "()");
    golden("[u8; 2]", [1u8, 0xab], "01ab", "0x01ab");
    golden("[u16; 2]", [1u16, 2], "00010002", "[1, 2]");
    golden("[string; 2]", ["a".to_owned(), String::new()], "6100010001", "[\"a\", \"\"]");
    golden("(u8,)", (1u8,), "01", "(1,)");
    golden("(u32, string)", (1u32, "a\0".to_owned()), "000000016100", "(1, \"a\\u{0}\")");
    golden("(string, u8)", ("a\0b".to_owned(), 7u8), "6100ff62000107", "(\"a\\u{0}b\", 7)");
    golden(
        "(bytes, bytes)",
        (vec![0u8, 1], vec![0u8, 1]),
        "00ff0100010001",
        "(b\"\\x00\\x01\", b\"\\x00\\x01\")",
    );
    golden("option<string>", Some("a".to_owned()), "0161", "some(\"a\")");
    golden("option<string>", None::<String>, "00", "none");
    golden(
        "(option<string>, char)",
        (Some("a".to_owned()), '\''),
        "0161000100000027",
        "(some(\"a\"), '\\'')",
    );
}

#[test]
fn wrong_bytes_are_named() {
    let message = |error: crate::Error| error.to_string();
    assert_eq!(
        message(<u32 as KeyType>::decode(&[1, 2]).unwrap_err()),
        "stored bytes are no u32: expected 4 bytes, found 2"
    );
    assert_eq!(
        message(<char as KeyType>::decode(&[0, 0, 0xd8, 0]).unwrap_err()),
        "stored bytes are no char: found [00, 00, d8, 00]"
    );
    assert_eq!(
        message(<(u8, bool) as KeyType>::decode(&[1, 2]).unwrap_err()),
        "stored bytes are no bool: found [02]"
    );
    assert_eq!(
        message(<[u8; 3] as KeyType>::decode(&[1, 2, 3, 4]).unwrap_err()),
        "stored bytes are no [u8; 3]: 1 bytes follow its end"
    );
    assert_eq!(
        message(<(String, u8) as KeyType>::decode(b"ab").unwrap_err()),
        "stored bytes are no string: a component has no end mark"
    );
    for bad in [&[2u8][..], &[], &[0, 0], &[1]] {
        assert!(<Option<u8> as KeyType>::decode(bad).is_err());
    }
}

#[test]
fn text_is_read_leniently_and_errors_say_what_is_wrong() {
    let parse = |name: &str, text: &str| TypeDescriptor::parse(name).unwrap().parse_text(text.as_bytes());
    assert_eq!(parse("u8", " 7\n").unwrap(), [7]);
    assert_eq!(parse("(u8,string)".replace(',', ", ").as_str(), " ( 7 ,\"x\" ) ").unwrap(), b"\x07x");
    assert_eq!(parse("option<u8>", "some( 7 )").unwrap(), [1, 7]);
    assert_eq!(parse("[u8; 2]", "0xABcd").unwrap(), [0xab, 0xcd]);
    assert_eq!(parse("string", " raw \"").unwrap(), b" raw \"");
    for (name, text, message) in [
        ("u8", "256", "the text is no u8: \"256\" is no u8, in \"256\""),
        ("u8", "1 2", "the text is no u8: \"2\" follows its end, in \"1 2\""),
        ("(u8, u8)", "(1", "the text is no (u8, u8): it ends where , is expected, in \"(1\""),
        ("bool", "yes", "the text is no bool: \"yes\" is no bool, in \"yes\""),
        ("char", "ab", "the text is no char: exactly one character is expected, in \"ab\""),
    ] {
        assert_eq!(parse(name, text).unwrap_err().to_string(), message);
    }
    for (name, text) in [
        ("f64", "NaN:7ff0000000000000"),
        ("f32", "NaN:7ff8000000000000"),
        ("f64", "NaN:"),
        ("i8", "-129"),
        ("[u8; 2]", "0x010"),
        ("[u8; 2]", "0x01020"),
        ("[u8; 2]", "0x0g00"),
        ("[u16; 2]", "[1]"),
        ("[u16; 2]", "[1, 2, 3]"),
        ("option<u8>", "nonesuch"),
        ("option<u8>", "7"),
        ("(u8,)", "(1)"),
        ("(string, u8)", "(\"\\xff\", 1)"),
        ("(bytes, u8)", "(\"a\", 1)"),
        ("(char, u8)", "('', 1)"),
        ("unit", ""),
    ] {
        assert!(parse(name, text).is_err(), "{name} {text}");
    }
    assert!(TypeDescriptor::parse("string").unwrap().parse_text(b"\xff").is_err());
    let long = parse("u8", &"9".repeat(1_000_000)).unwrap_err().to_string();
    assert!(long.len() < 400, "{}", long.len());
}

#[test]
fn work_is_bounded_by_the_input() {
    let descriptor = TypeDescriptor::parse("[[u8; 4000000000]; 4000000000]").unwrap();
    assert!(descriptor.write_text(&[1, 2, 3], &mut Vec::new()).is_err());
    assert!(descriptor.parse_text(b"[0x01").is_err());
    let descriptor = TypeDescriptor::parse("[option<u8>; 18446744073709551615]").unwrap();
    assert!(descriptor.write_text(&[0; 100], &mut Vec::new()).is_err());
}

#[test]
fn borrowed_keys_and_values_have_the_owned_ones_bytes() {
    fn key<K: KeyType>(key: impl AsKey<K>) -> Vec<u8> {
        key.with_key(<[u8]>::to_vec)
    }
    fn by_reference<K: KeyType, Q: AsKey<K> + ?Sized>(key: &Q) -> Vec<u8> {
        key.with_key(<[u8]>::to_vec)
    }
    fn value<V: ValueType>(value: impl AsValue<V>) -> Vec<u8> {
        value.with_value(<[u8]>::to_vec)
    }
    let (owned, listed) = ("apple".to_owned(), b"apple".to_vec());
    let all = [
        key::<String>("apple"),
        key::<String>(&"apple"),
        key::<String>(&owned),
        key::<String>(owned.clone()),
        key::<String>(Cow::Borrowed("apple")),
        key::<Arc<str>>("apple"),
        key::<Arc<str>>(&owned),
        key::<Box<str>>(owned.clone()),
        by_reference::<String, _>("apple"),
        by_reference::<String, _>(&owned),
        key::<Vec<u8>>(b"apple"),
        key::<Vec<u8>>(*b"apple"),
        key::<Vec<u8>>(&b"apple"[..]),
        key::<Vec<u8>>(&listed),
        by_reference::<Vec<u8>, _>(&b"apple"[..]),
        by_reference::<Vec<u8>, _>(b"apple"),
        key::<Box<[u8]>>(&listed),
        key::<Raw>(b"apple"),
        key::<Raw>(&b"apple"[..]),
        key::<Raw>(listed.clone()),
        key::<Raw>(&listed),
        key::<Raw>(Raw(listed.clone())),
        key::<[u8; 5]>(b"apple"),
        value::<String>("apple"),
        value::<Raw>(&listed),
        value::<Vec<u8>>(b"apple"),
    ];
    for bytes in all {
        assert_eq!(bytes, b"apple");
    }
    assert_eq!(key::<u32>(7), [0, 0, 0, 7]);
    assert_eq!(key::<u32>(&7), [0, 0, 0, 7]);
    assert_eq!(by_reference::<u32, _>(&7), [0, 0, 0, 7]);
    assert_eq!(value::<()>(()), []);
    assert_eq!(key::<(u8, String)>((1, owned)), b"\x01apple");
}

#[test]
fn raw_stands_for_every_type_but_not_the_other_way_round() {
    assert!(names_match("u64", "u64"));
    assert!(names_match("acme.order", "*"));
    assert!(names_match("*", "*"));
    assert!(!names_match("u64", "i64"));
    assert!(!names_match("*", "u64"));
}

#[test]
fn what_holds_its_bytes_lends_them() {
    let at = |bytes: &[u8]| bytes.as_ptr();
    let (text, bytes, array) = ("apple".to_owned(), vec![1u8; 100], [7u8; 100]);
    assert_eq!(KeyType::with_encoded(&text, at), text.as_ptr());
    assert_eq!(KeyType::with_encoded(&bytes, at), bytes.as_ptr());
    assert_eq!(KeyType::with_encoded(&array, at), array.as_ptr());
    assert_eq!(ValueType::with_encoded(&array, at), array.as_ptr());
    assert_eq!(AsKey::<Vec<u8>>::with_key(&array, at), array.as_ptr());
}
