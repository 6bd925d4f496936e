//! What a campaign ends with.

use std::error::Error;

/// Success, or a sentence about what went wrong.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// A failure with this sentence.
pub(crate) fn failure<T>(sentence: impl Into<String>) -> Outcome<T> {
    Err(sentence.into().into())
}
