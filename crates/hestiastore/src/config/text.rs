//! Numbers with units, as people write them.

pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;
pub(crate) const TIB: u64 = 1 << 40;

pub(crate) const MICRO: u64 = 1_000;
pub(crate) const MILLI: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;

/// Units from the largest to the smallest. The first that fits without a rest is shown.
const BYTE_UNITS: [(&str, u64); 4] = [("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)];
const TIME_UNITS: [(&str, u64); 6] =
    [("h", 3_600 * SECOND), ("min", 60 * SECOND), ("s", SECOND), ("ms", MILLI), ("us", MICRO), ("ns", 1)];

/// Digits, with underscores between them where wanted.
pub(crate) fn parse_count(text: &str) -> Option<u64> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    text.chars().filter(|c| *c != '_').try_fold(0u64, |number, c| {
        let digit = c.to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// `64MiB`, `4 KiB`, `12B`, `1_000_000`.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    if unit.is_empty() || unit.eq_ignore_ascii_case("b") {
        return Some(number);
    }
    number.checked_mul(factor(&BYTE_UNITS, unit)?)
}

/// `100ms`, `5 us`, `1min`; `0` needs no unit. The result is in nanoseconds.
pub(crate) fn parse_nanos(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    match (number, unit) {
        (0, "") => Some(0),
        (_, "µs") => number.checked_mul(MICRO),
        _ => number.checked_mul(factor(&TIME_UNITS, unit)?),
    }
}

pub(crate) fn show_bytes(bytes: u64) -> String {
    with_unit(&BYTE_UNITS, bytes).unwrap_or_else(|| bytes.to_string())
}

pub(crate) fn show_nanos(nanos: u64) -> String {
    with_unit(&TIME_UNITS, nanos).unwrap_or_else(|| nanos.to_string())
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((parse_count(number)?, unit.trim()))
}

fn factor(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    let mut found = units.iter().filter(|(name, _)| name.eq_ignore_ascii_case(unit));
    found.next().map(|(_, factor)| *factor)
}

/// `None` for zero and for what only the plain number shows exactly.
fn with_unit(units: &[(&str, u64)], number: u64) -> Option<String> {
    if number == 0 {
        return None;
    }
    let (name, factor) = units.iter().find(|(_, factor)| number.is_multiple_of(*factor))?;
    Some(format!("{}{name}", number / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("1_000_000", 1_000_000),
            ("12B", 12),
            ("4KiB", 4 * KIB),
            (" 64 mib ", 64 * MIB),
            ("2GiB", 2 * GIB),
            ("1TiB", TIB),
        ] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "_1", "-1", "1.5GiB", "64MB", "64M", "64 MiB 1", "99999999999TiB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
        assert_eq!(parse_bytes("18446744073709551616"), None);
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, nanos) in [
            ("0", 0),
            ("7ns", 7),
            ("5us", 5 * MICRO),
            ("5µs", 5 * MICRO),
            ("100 ms", 100 * MILLI),
            ("1_0s", 10 * SECOND),
            ("2min", 120 * SECOND),
        ] {
            assert_eq!(parse_nanos(text), Some(nanos), "{text}");
        }
        for text in ["", "5", "5 m", "ms", "0.5s", "9999999999999h"] {
            assert_eq!(parse_nanos(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back_exactly() {
        for number in [0, 1, 1023, KIB, KIB + 1, 64 * MIB, 3 * GIB, u64::MAX, 60 * SECOND] {
            assert_eq!(parse_bytes(&show_bytes(number)), Some(number));
            assert_eq!(parse_nanos(&show_nanos(number)), Some(number));
        }
        assert_eq!(show_bytes(1536 * KIB), "1536KiB");
        assert_eq!(show_nanos(100 * MILLI), "100ms");
    }
}
