//! `--from` and `--to`: a part of the keys.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::codec::Codec;
use crate::failure::Failure;

/// Where the keys begin and end.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyRange {
    /// The first key, included
    #[arg(long, value_name = "KEY", allow_negative_numbers = true)]
    from: Option<OsString>,
    /// Where to end; this key is not included
    #[arg(long, value_name = "KEY", allow_negative_numbers = true)]
    to: Option<OsString>,
}

impl KeyRange {
    /// Whether it is all keys.
    pub(crate) fn is_everything(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Encoded keys, from the lower to before the upper.
    pub(crate) fn encoded(&self, codec: &Codec) -> Result<(Vec<u8>, Option<Vec<u8>>), Failure> {
        let encoded = |text: &OsString| codec.encode(text.as_bytes()).map(|key| key.into_owned());
        let lower = self.from.as_ref().map(encoded).transpose()?.unwrap_or_default();
        let upper = self.to.as_ref().map(encoded).transpose()?;
        if upper.as_ref().is_some_and(|upper| *upper < lower) {
            return Err(Failure::Message("--from lies behind --to".to_owned()));
        }
        Ok((lower, upper))
    }
}
