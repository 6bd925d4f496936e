//! The settings of an index, as plain data.
//!
//! One table in `groups.rs` says everything about every knob: its group and name, what it does, its
//! default, what is allowed, its tag on disk, and what a change at reopening means. The types, the
//! builder, the textual form, validation and persistence all follow from it.
//!
//! Promises:
//! - [`Config::validate`] reports all problems at once, each beginning with the knob's name.
//! - An encoded configuration holds every knob, so a later change of a default does not change an
//!   index that exists.
//! - What [`ConfigPatch`] does not name stays as it was stored.
//!
//! Nothing here does I/O or keeps state.

mod choices;
mod encode;
mod filters;
mod fit;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod groups;
mod knob;
mod memory;
mod merge;
mod patch;
mod text;
mod validate;
mod value;

#[cfg(test)]
mod tests;

pub use choices::{Durability, LogIo};
pub use filters::FilterNames;
pub use groups::{
    BloomConfig, BloomPatch, CacheConfig, CachePatch, ChunkConfig, ChunkPatch, Config, IoConfig, IoPatch,
    LogConfig, LogPatch, MaintenanceConfig, MaintenancePatch, MemoryConfig, MemoryPatch, SegmentConfig,
    SegmentPatch, WriteBufferConfig, WriteBufferPatch,
};
pub use knob::{KnobInfo, Reopen};
pub use memory::MemoryEstimate;
pub(crate) use memory::{LOG_WINDOW_BYTES, MERGE_AHEAD_BYTES, MOST_KEYS_A_RUN};
pub(crate) use merge::merge_at_open;
pub use patch::ConfigPatch;

impl Config {
    /// Every knob with its value, in the order of the groups.
    ///
    /// ```
    /// let config = hestiastore::config::Config::default();
    /// let knob = config.knobs().find(|knob| knob.name == "io.block_bytes").unwrap();
    /// assert_eq!(knob.value, "4KiB");
    /// ```
    pub fn knobs(&self) -> impl Iterator<Item = KnobInfo> {
        let defaults = Config::default();
        groups::KNOBS.iter().map(move |knob| knob.info(self, &defaults))
    }

    /// This configuration with the patch's knobs in place of its own. Not validated.
    ///
    /// ```
    /// use hestiastore::config::{Config, ConfigPatch};
    ///
    /// let patch = ConfigPatch::default().maintenance(|m| m.threads(4));
    /// assert_eq!(Config::default().patched(&patch).maintenance.threads, 4);
    /// ```
    pub fn patched(&self, patch: &ConfigPatch) -> Config {
        let mut patched = self.clone();
        for (knob, value) in patch.given() {
            let fits = (knob.set)(&mut patched, value);
            debug_assert!(fits, "{} took a value of another type", knob.name);
        }
        patched
    }

    /// The most that the files of the log may take before buffers are flushed to free some, in
    /// bytes: `log.limit_bytes`, or else four times `write_buffer.budget_bytes`, but room for two
    /// log files of the first size at least.
    pub fn log_limit_bytes(&self) -> u64 {
        self.log.limit_bytes.unwrap_or_else(|| {
            let by_buffers = self.write_buffer.budget_bytes.saturating_mul(4);
            by_buffers.max(self.log.first_file_bytes.saturating_mul(2))
        })
    }
}
