//! Comparing keys where a call would cost more than the comparison.

pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// Equality without a call: most keys are a few words long.
#[inline]
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return a.iter().zip(b).all(|(x, y)| x == y);
    };
    let (a_words, b_words) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    a_words.iter().zip(b_words).all(|(x, y)| x == y) && a_last == b_last
}

/// What follows `prefix` in `key`.
#[inline]
pub(super) fn strip_prefix<'a>(key: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = key.split_at_checked(prefix.len())?;
    equal(head, prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_of_all_lengths() {
        for length in 0..40 {
            let a: Vec<u8> = (0..length).collect();
            assert!(equal(&a, &a.clone()));
            assert!(!equal(&a, &[&a[..], &[0]].concat()));
            for at in 0..usize::from(length) {
                let mut b = a.clone();
                b[at] ^= 1;
                assert!(!equal(&a, &b));
            }
        }
    }

    #[test]
    fn prefixes() {
        assert_eq!(strip_prefix(b"abc", b"ab"), Some(&b"c"[..]));
        assert_eq!(strip_prefix(b"abc", b""), Some(&b"abc"[..]));
        assert_eq!(strip_prefix(b"ab", b"abc"), None);
        assert_eq!(strip_prefix(b"abcdefghij", b"abcdefghx"), None);
        assert_eq!(common_prefix(b"abc", b"abd"), 2);
    }
}
