//! Numbers as people read them.

/// Three significant digits with `k` and `M`.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{} M", digits(value / 1e6)),
        size if size >= 1e4 => format!("{} k", digits(value / 1e3)),
        _ => digits(value),
    }
}

/// Three significant digits, at least those before the point.
pub fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_enough() {
        assert_eq!(short(1_234_567.0), "1.23 M");
        assert_eq!(short(45_678.0), "45.7 k");
        assert_eq!(short(9_876.0), "9876");
        assert_eq!((digits(0.0), digits(0.123)), ("0".into(), "0.12".into()));
    }
}
