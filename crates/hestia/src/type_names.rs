//! Names of types, as people write them.

use hestiastore::types::TypeDescriptor;

/// The name as it is persisted.
pub(crate) fn parse(option: &str, given: &str, problems: &mut Vec<String>) -> String {
    match TypeDescriptor::parse(&with_usual_spaces(given)) {
        Ok(descriptor) => return descriptor.to_string(),
        Err(hestiastore::Error::InvalidText { detail, .. }) => {
            problems.push(format!("{option} {given:?} is no type: {detail}"));
        }
        Err(other) => problems.push(format!("{option} {given:?}: {other}")),
    }
    String::new()
}

/// Type names have one form, which is compared; people write them with other white space.
fn with_usual_spaces(name: &str) -> String {
    let dense: String = name.split_whitespace().collect();
    dense.replace(',', ", ").replace(", )", ",)").replace(';', "; ")
}
