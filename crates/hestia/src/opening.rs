//! Opening indexes whose types are known only by their stored names.

use std::path::Path;

use hestiastore::config::ConfigPatch;
use hestiastore::types::Raw;
use hestiastore::{Error, IndexBuilder, SegmentIndex};

use crate::codec::{Codec, Codecs};
use crate::failure::Failure;

/// Any index, as encoded bytes.
pub(crate) type RawIndex = SegmentIndex<Raw, Raw>;

fn builder(directory: &Path) -> IndexBuilder<Raw, Raw> {
    SegmentIndex::builder(directory)
}

/// Opens an index that exists, to change nothing.
pub(crate) fn for_reading(directory: &Path) -> Result<RawIndex, Failure> {
    builder(directory).open_read_only().map_err(|error| with_advice(error, directory))
}

/// Opens an index that exists.
pub(crate) fn for_writing(directory: &Path) -> Result<RawIndex, Failure> {
    builder(directory).open().map_err(|error| with_advice(error, directory))
}

/// Makes an index.
pub(crate) fn create(
    directory: &Path,
    key_type: &str,
    value_type: &str,
    settings: ConfigPatch,
) -> Result<RawIndex, Failure> {
    Ok(builder(directory).settings(settings).type_names(key_type, value_type).create()?)
}

/// Opens an index, or makes one of strings where there is nothing yet.
pub(crate) fn for_loading(directory: &Path, settings: ConfigPatch) -> Result<RawIndex, Failure> {
    if is_free(directory) {
        return create(directory, "string", "string", settings);
    }
    builder(directory).settings(settings).open().map_err(|error| with_advice(error, directory))
}

/// Whether nothing is there that could be somebody's.
fn is_free(directory: &Path) -> bool {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.filter_map(Result::ok).all(|entry| entry.file_name() == ".lock"),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn with_advice(error: Error, directory: &Path) -> Failure {
    match &error {
        Error::NotAnIndex { .. } if is_free(directory) => {
            Failure::Message(format!("{error}; make one with: hestia create"))
        }
        _ => error.into(),
    }
}

pub(crate) fn codecs(index: &RawIndex) -> Codecs {
    let (key_type, value_type) = index.type_names();
    Codecs { key: Codec::of("key", key_type), value: Codec::of("value", value_type) }
}
