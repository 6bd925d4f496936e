//! What a repair is told beside the directory.

use crate::config::ConfigPatch;
use crate::environment::Environment;

/// What a repair takes from its caller where the directory does not tell.
///
/// ```
/// use hestiastore::repair::RepairOptions;
///
/// let options = RepairOptions::default().types("string", "u64");
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct RepairOptions {
    pub(super) types: Option<(String, String)>,
    pub(super) settings: ConfigPatch,
    pub(super) environment: Environment,
}

impl RepairOptions {
    /// Names of the key and value types, for an index whose manifest is lost and which has no run that names
    /// them. Where the files name them these must be the same; where they do not, these are tried on the log.
    pub fn types(mut self, key_type: &str, value_type: &str) -> Self {
        self.types = Some((key_type.to_owned(), value_type.to_owned()));
        self
    }

    /// Settings for an index whose stored ones are lost with its manifest.
    pub fn settings(mut self, settings: ConfigPatch) -> Self {
        self.settings = settings;
        self
    }

    /// Time and randomness from elsewhere, so that a test can be repeated.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }
}
