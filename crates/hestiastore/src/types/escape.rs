//! Bytes of any length as a part of a larger key: they end by themselves and keep their order.
//!
//! Each `00` becomes `00 FF`; the end is `00 01`.
//!
//! Why the order holds, whatever follows: let `a < b`, and let both agree up to position `i`, so that
//! their escaped forms agree up to there. Either `a[i] < b[i]`: if `a[i]` is not zero the bytes
//! stand for themselves; if it is, `00` stands against `b[i] > 00`. Or `a` ends at `i`: then `00 01`
//! stands against `b[i]`, which is more than `00`, or is the pair `00 FF`. In each case the first
//! difference lies inside both forms and decides for `a`. So neither form begins the other.

use std::borrow::Cow;

const ZERO: [u8; 2] = [0x00, 0xff];
const END: [u8; 2] = [0x00, 0x01];

pub(super) fn write(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + END.len());
    for (index, part) in bytes.split(|byte| *byte == 0).enumerate() {
        if index > 0 {
            out.extend_from_slice(&ZERO);
        }
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&END);
}

/// Reads from the front of `input` and moves it behind the end mark. Borrows if there was no zero.
pub(super) fn read<'a>(input: &mut &'a [u8]) -> Result<Cow<'a, [u8]>, &'static str> {
    const NO_END: &str = "a component has no end mark";
    let mut rest = *input;
    // Empty exactly as long as no escape was met.
    let mut unescaped = Vec::new();
    loop {
        let zero = rest.iter().position(|byte| *byte == 0).ok_or(NO_END)?;
        let (part, tail) = rest.split_at_checked(zero).ok_or(NO_END)?;
        match tail {
            [0x00, 0x01, behind @ ..] => {
                *input = behind;
                if unescaped.is_empty() {
                    return Ok(Cow::Borrowed(part));
                }
                unescaped.extend_from_slice(part);
                return Ok(Cow::Owned(unescaped));
            }
            [0x00, 0xff, behind @ ..] => {
                unescaped.extend_from_slice(part);
                unescaped.push(0);
                rest = behind;
            }
            [_] => return Err(NO_END),
            _ => return Err("a zero byte in a component is followed by neither 01 nor ff"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(bytes, &mut out);
        out
    }

    /// Few different bytes, so that prefixes and zeros are common.
    fn tricky() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(&[0u8, 1, 2, 0xfe, 0xff][..]), 0..6)
    }

    #[test]
    fn golden() {
        assert_eq!(escaped(b""), [0, 1]);
        assert_eq!(escaped(b"a"), [b'a', 0, 1]);
        assert_eq!(escaped(b"\0"), [0, 0xff, 0, 1]);
        assert_eq!(escaped(b"a\0\0b"), [b'a', 0, 0xff, 0, 0xff, b'b', 0, 1]);
    }

    #[test]
    fn what_was_not_written_is_refused() {
        for bad in [&b""[..], b"a", b"a\0", b"\0\0", b"\0\x02", b"a\0\xff", b"\0\xff\0"] {
            let mut input = bad;
            assert!(read(&mut input).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn order_holds_whatever_follows(a in tricky(), b in tricky(), x in tricky(), y in tricky()) {
            let (mut left, mut right) = (escaped(&a), escaped(&b));
            left.extend(&x);
            right.extend(&y);
            if a == b {
                prop_assert_eq!(left.cmp(&right), x.cmp(&y));
            } else {
                prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            }
        }

        #[test]
        fn round_trip_leaves_what_follows(a in tricky(), x in tricky()) {
            let mut bytes = escaped(&a);
            bytes.extend(&x);
            let mut input = &bytes[..];
            prop_assert_eq!(&*read(&mut input).unwrap(), &a[..]);
            prop_assert_eq!(input, &x[..]);
        }

        #[test]
        fn only_what_is_written_is_read(bytes in tricky()) {
            let mut input = &bytes[..];
            if let Ok(read) = read(&mut input) {
                let mut again = escaped(&read);
                again.extend(input);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
