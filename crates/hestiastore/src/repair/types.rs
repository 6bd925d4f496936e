//! Types that the caller gave: what the files say may not contradict them.

use std::sync::Arc;

use super::options::RepairOptions;
use super::plan::Plan;
use super::report::Action;
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::types::{TypeDescriptor, names_match};
use crate::wal::{Expectations, ListedLog, OperationRef, RecoveryPolicy, replay};

/// Fails before anything is changed if runs, manifest or logs hold something else than the given types.
pub(super) fn check_given(
    directory: &Arc<dyn Directory>,
    options: &RepairOptions,
    plan: &Plan,
) -> Result<()> {
    let Some((key_type, value_type)) = &options.types else { return Ok(()) };
    for (role, stored, given) in
        [("key", &plan.state.key_type, key_type), ("value", &plan.state.value_type, value_type)]
    {
        if !names_match(stored, given) {
            return Err(Error::TypeMismatch { role, stored: stored.clone(), requested: given.clone() });
        }
    }
    // Only without a manifest can it be that the new one has them from nowhere else.
    if plan.report.findings.iter().any(|finding| finding.action == Action::ManifestRebuilt) {
        try_on_logs(&**directory, plan, key_type, value_type)?;
    }
    Ok(())
}

/// A program's own types cannot be tried: only the program knows their encoding.
fn try_on_logs(directory: &dyn Directory, plan: &Plan, key_type: &str, value_type: &str) -> Result<()> {
    let (key_type, value_type) =
        (TypeDescriptor::parse(key_type).ok(), TypeDescriptor::parse(value_type).ok());
    let logs: Vec<ListedLog> = plan.state.logs.iter().map(ListedLog::from).collect();
    let expectations = Expectations { proven_synced_seq: 0, policy: RecoveryPolicy::CutAtDamage };
    let mut text = Vec::new();
    let mut attempt = |seq, role, tried: &Option<TypeDescriptor>, encoded: &[u8]| {
        text.clear();
        let written = tried.as_ref().map_or(Ok(()), |tried| tried.write_text(encoded, &mut text));
        written.map_err(|error| {
            let problem = format!("the {role} type given does not fit the log's operation {seq}: {error}");
            Error::InvalidConfig { problems: vec![problem] }
        })
    };
    replay(directory, &logs, expectations, &mut |seq, operation| {
        attempt(seq, "key", &key_type, operation.key())?;
        match operation {
            OperationRef::Put { value, .. } => attempt(seq, "value", &value_type, value),
            OperationRef::Delete { .. } => Ok(()),
        }
    })?;
    Ok(())
}
