//! Laws that hold for every type.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::encoded;
use crate::Result;
use crate::types::*;

fn component<K: KeyType>(key: &K, behind: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    key.encode_component(&mut out);
    out.extend(behind);
    out
}

/// All that a key type promises, for two keys in the order `order` and two byte strings. Equality is
/// judged by the bytes, so that floats take part.
fn check_laws<K: KeyType + ValueType + Debug>(
    a: &K,
    b: &K,
    order: Ordering,
    x: &[u8],
    y: &[u8],
) -> Result<(), TestCaseError> {
    let (bytes_a, bytes_b) = (encoded(a), encoded(b));
    prop_assert_eq!(bytes_a.cmp(&bytes_b), order, "{:?} {:?}", a, b);

    let expected = order.then(x.cmp(y));
    prop_assert_eq!(component(a, x).cmp(&component(b, y)), expected, "components of {:?} {:?}", a, b);

    let back = <K as KeyType>::decode(&bytes_a).unwrap();
    prop_assert_eq!(&encoded(&back), &bytes_a);
    let part = component(a, x);
    let mut input = &part[..];
    let back = <K as KeyType>::decode_component(&mut input).unwrap();
    prop_assert_eq!(&encoded(&back), &bytes_a);
    prop_assert_eq!(input, x);

    check_only_own_bytes::<K>(x)?;
    let mut damaged = bytes_a.clone();
    damaged.extend(x);
    check_only_own_bytes::<K>(&damaged)?;
    check_only_own_bytes::<K>(bytes_a.split_last().map_or(&[], |(_, head)| head))?;

    prop_assert_eq!(<K as KeyType>::type_name(), <K as ValueType>::type_name());
    prop_assert_eq!(&ValueType::with_encoded(a, <[u8]>::to_vec), &bytes_a);
    let mut value_part = Vec::new();
    ValueType::encode_component(a, &mut value_part);
    prop_assert_eq!(value_part, component(a, &[]));
    check_text::<K>(&bytes_a)
}

/// Any bytes are refused, or are exactly what the decoded key is encoded as; the same as a value and as text.
fn check_only_own_bytes<K: KeyType + ValueType>(bytes: &[u8]) -> Result<(), TestCaseError> {
    let key = <K as KeyType>::decode(bytes);
    let value = <K as ValueType>::decode(bytes);
    prop_assert_eq!(key.is_ok(), value.is_ok());
    if let (Ok(key), Ok(value)) = (&key, &value) {
        prop_assert_eq!(&encoded(key)[..], bytes);
        prop_assert_eq!(&ValueType::with_encoded(value, <[u8]>::to_vec)[..], bytes);
    }
    let mut text = b"before".to_vec();
    let written = TypeDescriptor::parse(&<K as KeyType>::type_name()).unwrap().write_text(bytes, &mut text);
    prop_assert_eq!(written.is_ok(), key.is_ok());
    prop_assert!(key.is_ok() || text == b"before");

    let mut input = bytes;
    if let Ok(key) = <K as KeyType>::decode_component(&mut input) {
        prop_assert_eq!(component(&key, input), bytes);
    }
    Ok(())
}

fn check_text<K: KeyType>(bytes: &[u8]) -> Result<(), TestCaseError> {
    let descriptor = TypeDescriptor::parse(&K::type_name()).unwrap();
    let mut text = Vec::new();
    descriptor.write_text(bytes, &mut text).unwrap();
    let back = descriptor.parse_text(&text);
    prop_assert_eq!(back.as_deref().ok(), Some(bytes), "{}", text.escape_ascii());
    Ok(())
}

/// Bytes among which zeros, end marks and common prefixes are frequent.
fn tricky_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop::sample::select(&[0u8, 1, 2, 0x80, 0xfe, 0xff][..]), 0..8),
        prop::collection::vec(any::<u8>(), 0..24),
    ]
}

fn tricky_string() -> impl Strategy<Value = String> {
    prop_oneof!["[\0\u{1}ab\u{ff}\"\\\\]{0,4}", any::<String>()]
}

macro_rules! laws {
    ($($test:ident: $type:ty, $strategy:expr, $order:expr;)*) => {
        proptest! {$(
            #[test]
            fn $test(a in $strategy, b in $strategy, x in tricky_bytes(), y in tricky_bytes()) {
                let order: fn(&$type, &$type) -> Ordering = $order;
                check_laws::<$type>(&a, &b, order(&a, &b), &x, &y)?;
                check_laws::<$type>(&a, &a, Ordering::Equal, &x, &y)?;
            }
        )*}
    };
}

type Nested = (Option<(String, Vec<u8>)>, Option<Option<u8>>, [String; 2], Option<String>);

fn nested() -> impl Strategy<Value = Nested> {
    let few = || prop::sample::select(&["", "\0", "a", "a\0", "ab", "é"][..]).prop_map(str::to_owned);
    let bytes = prop::sample::select(&["", "\0", "\0\u{1}", "\u{1}", "b"][..])
        .prop_map(|text| text.as_bytes().to_vec());
    (
        prop::option::of((few(), bytes)),
        prop::option::of(prop::option::of(0u8..3)),
        [few(), few()],
        prop::option::of(tricky_string()),
    )
}

laws! {
    u8_laws: u8, any::<u8>(), u8::cmp;
    u16_laws: u16, any::<u16>(), u16::cmp;
    u32_laws: u32, any::<u32>(), u32::cmp;
    u64_laws: u64, any::<u64>(), u64::cmp;
    u128_laws: u128, any::<u128>(), u128::cmp;
    i8_laws: i8, any::<i8>(), i8::cmp;
    i16_laws: i16, any::<i16>(), i16::cmp;
    i32_laws: i32, any::<i32>(), i32::cmp;
    i64_laws: i64, any::<i64>(), i64::cmp;
    i128_laws: i128, any::<i128>(), i128::cmp;
    f32_laws: f32, any::<u32>().prop_map(f32::from_bits), f32::total_cmp;
    f32_special_laws: f32, prop::num::f32::ANY, f32::total_cmp;
    f64_laws: f64, any::<u64>().prop_map(f64::from_bits), f64::total_cmp;
    f64_special_laws: f64, prop::num::f64::ANY, f64::total_cmp;
    bool_laws: bool, any::<bool>(), bool::cmp;
    char_laws: char, any::<char>(), char::cmp;
    unit_laws: (), Just(()), <()>::cmp;
    string_laws: String, tricky_string(), String::cmp;
    boxed_string_laws: Box<str>, tricky_string().prop_map(String::into_boxed_str), Ord::cmp;
    shared_string_laws: Arc<str>, tricky_string().prop_map(Arc::from), Arc::cmp;
    bytes_laws: Vec<u8>, tricky_bytes(), Vec::cmp;
    boxed_bytes_laws: Box<[u8]>, tricky_bytes().prop_map(Vec::into_boxed_slice), Ord::cmp;
    shared_bytes_laws: Arc<[u8]>, tricky_bytes().prop_map(Arc::from), Arc::cmp;
    raw_laws: Raw, tricky_bytes().prop_map(Raw), Raw::cmp;
    byte_array_laws: [u8; 3], any::<[u8; 3]>(), Ord::cmp;
    empty_array_laws: [u64; 0], Just([]), Ord::cmp;
    number_array_laws: [i16; 3], any::<[i16; 3]>(), Ord::cmp;
    bool_array_laws: [bool; 3], any::<[bool; 3]>(), Ord::cmp;
    string_array_laws: [String; 2], [tricky_string(), tricky_string()], Ord::cmp;
    array_array_laws: [[u16; 2]; 2], any::<[[u16; 2]; 2]>(), Ord::cmp;
    option_laws: Option<i32>, any::<Option<i32>>(), Ord::cmp;
    option_string_laws: Option<String>, prop::option::of(tricky_string()), Ord::cmp;
    option_unit_laws: Option<()>, any::<Option<()>>(), Ord::cmp;
    tuple_1_laws: (String,), (tricky_string(),), Ord::cmp;
    tuple_2_laws: (Vec<u8>, Vec<u8>), (tricky_bytes(), tricky_bytes()), Ord::cmp;
    tuple_3_laws: (bool, String, i8), (any::<bool>(), tricky_string(), any::<i8>()), Ord::cmp;
    tuple_4_laws: Nested, nested(), Ord::cmp;
    tuple_5_laws: (bool, (), bool, (bool, bool), bool), any::<(bool, (), bool, (bool, bool), bool)>(), Ord::cmp;
    tuple_6_laws: (bool, bool, bool, bool, bool, Raw), (any::<[bool; 5]>(), tricky_bytes())
        .prop_map(|([a, b, c, d, e], bytes)| (a, b, c, d, e, Raw(bytes))), Ord::cmp;
}

/// A user's key with nothing but what must be written.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Own(String);

impl KeyType for Own {
    fn type_name() -> String {
        "acme.own".to_owned()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        KeyType::encode(&self.0, out);
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        <String as KeyType>::decode(bytes).map(Own)
    }
}

proptest! {
    #[test]
    fn a_users_key_works_inside_others(
        a in (tricky_string(), any::<u8>(), prop::option::of(tricky_string())),
        b in (tricky_string(), any::<u8>(), prop::option::of(tricky_string())),
    ) {
        let key = |(first, second, third): (String, u8, Option<String>)| {
            ([Own(first)], second, third.map(Own))
        };
        let (a, b) = (key(a), key(b));
        prop_assert_eq!(encoded(&a).cmp(&encoded(&b)), a.cmp(&b));
        prop_assert_eq!(<([Own; 1], u8, Option<Own>)>::decode(&encoded(&a)).unwrap(), a);
    }

    #[test]
    fn any_text_is_parsed_without_a_panic_and_reads_back(
        text in prop_oneof![tricky_bytes(), "[-+0-9a-z()\\[\\], \"'bx\\\\{}.]{0,20}".prop_map(String::into_bytes)],
        name in prop::sample::select(&[
            "u8", "i64", "f32", "f64", "bool", "char", "string", "bytes", "unit", "*", "[u8; 2]", "[i8; 2]",
            "(u8,)", "(string, bytes)", "option<option<bool>>", "(char, f64)",
        ][..]),
    ) {
        let descriptor = TypeDescriptor::parse(name).unwrap();
        if let Ok(encoded) = descriptor.parse_text(&text) {
            let mut written = Vec::new();
            descriptor.write_text(&encoded, &mut written).unwrap();
            prop_assert_eq!(descriptor.parse_text(&written).unwrap(), encoded);
        }
    }

    #[test]
    fn any_name_is_parsed_without_a_panic(name in "[u8i64()\\[\\]<>option, ;*]{0,20}") {
        if let Ok(descriptor) = TypeDescriptor::parse(&name) {
            prop_assert_eq!(descriptor.to_string(), name);
        }
    }
}
