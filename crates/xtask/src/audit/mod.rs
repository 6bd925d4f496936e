//! Stub.
use crate::outcome::Outcome;
#[derive(Debug, clap::Args)]
pub(crate) struct ChildArguments {
    place: std::path::PathBuf,
}
pub(crate) fn run(_show: bool) -> Outcome<String> {
    Ok(String::new())
}
pub(crate) fn run_child(arguments: &ChildArguments) -> Outcome {
    let _ = &arguments.place;
    Ok(())
}
