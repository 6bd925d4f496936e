//! Versions of the engines' crates, from the lock file that this was built with.

/// The version of a crate; `?` if the lock file does not hold it.
pub fn of(name: &str) -> &'static str {
    let packages = include_str!("../../Cargo.lock").split("[[package]]");
    let fields = |package: &'static str, field: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(field));
        line.map(|value| value.trim_matches(['=', ' ', '"']))
    };
    packages
        .filter(|package| fields(package, "name") == Some(name))
        .find_map(|package| fields(package, "version"))
        .unwrap_or("?")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_version_is_found_and_an_unknown_crate_is_not() {
        assert_eq!(super::of("hestiastore-benchmarks"), env!("CARGO_PKG_VERSION"));
        assert_eq!(super::of("no such crate"), "?");
    }
}
