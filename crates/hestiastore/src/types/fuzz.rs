//! The built-in types under a fuzzer: what decodes is canonical, and bytes order as values do.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

use std::cmp::Ordering;
use std::sync::Arc;

use super::{KeyType, Raw, TypeDescriptor, ValueType};
use crate::fuzz_input::Input;

/// Two encodings of one type. If both are, they order as their values.
fn key<K: KeyType>(a: &[u8], b: &[u8], compare: impl Fn(&K, &K) -> Ordering) {
    let [Some(value_a), Some(value_b)] = [a, b].map(one_key::<K>) else { return };
    assert_eq!(compare(&value_a, &value_b), a.cmp(b), "{}", K::type_name());
    let component = |key: &K| {
        let mut out = Vec::new();
        key.encode_component(&mut out);
        out
    };
    let (component_a, component_b) = (component(&value_a), component(&value_b));
    assert_eq!(compare(&value_a, &value_b), component_a.cmp(&component_b), "{}", K::type_name());
    assert!(a == b || !component_a.starts_with(&component_b), "{}", K::type_name());
}

fn one_key<K: KeyType>(bytes: &[u8]) -> Option<K> {
    let mut rest = bytes;
    if let Ok(key) = K::decode_component(&mut rest) {
        let mut again = Vec::new();
        key.encode_component(&mut again);
        assert_eq!(again, bytes[..bytes.len() - rest.len()], "component of {}", K::type_name());
    }
    let key = K::decode(bytes).ok()?;
    key.with_encoded(|again| assert_eq!(again, bytes, "{}", K::type_name()));
    text(&TypeDescriptor::parse(&K::type_name()).unwrap(), bytes);
    Some(key)
}

fn value<V: ValueType>(bytes: &[u8]) {
    let mut rest = bytes;
    if let Ok(value) = V::decode_component(&mut rest) {
        let mut again = Vec::new();
        value.encode_component(&mut again);
        assert_eq!(again, bytes[..bytes.len() - rest.len()], "component of {}", V::type_name());
    }
    if let Ok(value) = V::decode(bytes) {
        value.with_encoded(|again| assert_eq!(again, bytes, "{}", V::type_name()));
        text(&TypeDescriptor::parse(&V::type_name()).unwrap(), bytes);
    }
}

/// What a typed key takes has a text that reads back as the same bytes.
fn text(descriptor: &TypeDescriptor, encoded: &[u8]) {
    let mut text = Vec::new();
    descriptor.write_text(encoded, &mut text).unwrap();
    assert_eq!(descriptor.parse_text(&text).unwrap(), encoded, "{descriptor}");
}

macro_rules! ordered {
    ($a:ident, $b:ident: $($type:ty),* $(,)?) => {$(
        key::<$type>($a, $b, Ord::cmp);
        value::<$type>($a);
    )*};
}

/// Two byte strings as every built-in type.
pub fn encodings(data: &[u8]) {
    let mut input = Input::new(data);
    let a = input.short();
    let b = input.rest();
    ordered!(a, b: u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, bool, char, (), String, Vec<u8>, Raw);
    ordered!(a, b: Box<str>, Arc<str>, Box<[u8]>, Arc<[u8]>);
    ordered!(a, b: Option<u16>, Option<String>, Option<Option<()>>, Option<(u8, Vec<u8>)>);
    ordered!(a, b: [u8; 0], [u8; 3], [u16; 2], [bool; 3], [String; 2], [Option<u8>; 2], [(u8, String); 2]);
    ordered!(a, b: (u8,), (String,), (u32, String), (String, u32), (String, String), (Vec<u8>, bool, i16));
    ordered!(a, b: (Option<String>, Option<u8>), ((u8, String), [i8; 2], char), (u8, u8, String, (), Raw, i64));
    key::<f32>(a, b, f32::total_cmp);
    key::<f64>(a, b, f64::total_cmp);
    key::<(f32, String)>(a, b, |a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    value::<f32>(a);
    value::<f64>(a);
}

/// A type's name up to a newline, and behind it an encoding and a text of that type.
pub fn texts(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, rest) = data.split_at(end);
    let rest = rest.get(1..).unwrap_or(&[]);
    let Ok(descriptor) = TypeDescriptor::parse(&String::from_utf8_lossy(name)) else { return };
    assert_eq!(TypeDescriptor::parse(&descriptor.to_string()).unwrap(), descriptor);
    let mut out = b"before".to_vec();
    match descriptor.write_text(rest, &mut out) {
        Ok(()) => assert_eq!(descriptor.parse_text(&out[6..]).unwrap(), rest, "{descriptor}"),
        Err(_) => assert_eq!(out, b"before"),
    }
    if let Ok(encoded) = descriptor.parse_text(rest) {
        text(&descriptor, &encoded);
    }
}
