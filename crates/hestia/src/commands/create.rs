//! `hestia create`.

use std::path::PathBuf;

use crate::failure::{Failure, Outcome};
use crate::{opening, settings, type_names};

const AFTER_HELP: &str = "\
Types:
  string bytes bool char unit f32 f64, u8 to u128, i8 to i128, [T; N], option<T>,
  and tuples such as (u32, string)

Examples:
  hestia create ages --key string --value u32
  hestia create visits --key '(u64, string)' --value bytes --set log.durability=sync
  hestia config          # all settings with defaults";

/// Make an index
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Directory of the index; made if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Type of the keys
    #[arg(long = "key", value_name = "TYPE")]
    key_type: String,
    /// Type of the values
    #[arg(long = "value", value_name = "TYPE")]
    value_type: String,
    /// A setting that is not to have its default; may be given several times
    #[arg(long = "set", value_name = "GROUP.KNOB=VALUE")]
    settings: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut problems = Vec::new();
    let key_type = type_names::parse("--key", &arguments.key_type, &mut problems);
    let value_type = type_names::parse("--value", &arguments.value_type, &mut problems);
    let (patch, refused) = settings::parse(&arguments.settings);
    problems.extend(refused);
    problems.extend(settings::problems_together(&patch));
    settings::refuse(&problems)?;
    opening::create(&arguments.directory, &key_type, &value_type, patch)?.close()?;
    Ok(Outcome::Done)
}
