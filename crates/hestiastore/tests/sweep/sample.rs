//! How much is tried.

/// Whether every place is to be tried.
pub fn is_full() -> bool {
    std::env::var("HESTIA_SWEEP").is_ok_and(|value| value == "full")
}

/// The places below `length` to try: all of them, or those that stand in small structures (the first and the
/// last of the file, and what surrounds them) and every `stride`th.
pub fn places(length: usize, dense: impl Fn(usize) -> bool, stride: usize) -> impl Iterator<Item = usize> {
    let full = is_full();
    (0..length).filter(move |place| full || dense(*place) || place % stride == 0)
}

/// Prints figures that `cargo xtask sweep` collects.
pub fn tell(cases: u64, what: &str) {
    println!("sweep: {cases} cases, {what}");
}
