//! `--set group.knob=value`.

use hestiastore::Error;
use hestiastore::config::{Config, ConfigPatch};

use crate::failure::Failure;

/// Reads all settings, and says what is wrong with any of them.
pub(crate) fn parse(settings: &[String]) -> (ConfigPatch, Vec<String>) {
    let mut patch = ConfigPatch::default();
    let mut problems = Vec::new();
    for setting in settings {
        match setting.split_once('=') {
            None => problems.push(format!("--set takes group.knob=value, not {setting:?}")),
            Some((name, value)) => problems.extend(refused(patch.set(name.trim(), value))),
        }
    }
    (patch, problems)
}

/// What is wrong with the settings together, in a new index.
pub(crate) fn problems_together(patch: &ConfigPatch) -> Vec<String> {
    refused(Config::default().patched(patch).validate())
}

/// Fails with all problems at once.
pub(crate) fn refuse(problems: &[String]) -> Result<(), Failure> {
    match problems {
        [] => Ok(()),
        [only] => Err(Failure::Message(only.clone())),
        all => Err(Failure::Message(format!("{} problems: {}", all.len(), all.join("; ")))),
    }
}

fn refused(outcome: hestiastore::Result<()>) -> Vec<String> {
    match outcome {
        Ok(()) => Vec::new(),
        Err(Error::InvalidConfig { problems }) => problems,
        Err(other) => vec![other.to_string()],
    }
}
