//! The `hestia` command.
fn main() {}
