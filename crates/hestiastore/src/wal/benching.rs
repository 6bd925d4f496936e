//! Log records, for `benches/`.

use super::RecordBuilder;

/// A builder that is used again and again, as a thread's commit does.
#[derive(Default)]
pub struct Records(RecordBuilder);

impl Records {
    /// The sealed record of one put; empty for a key or value that is too long.
    pub fn put(&mut self, key: &[u8], value: &[u8], offset: u64) -> &[u8] {
        self.0.clear();
        if self.0.push_put(key, value).is_err() {
            return &[];
        }
        self.0.finish_body();
        self.0.seal(0x1234_5678, offset, 1)
    }
}
