//! One account over all memory that an index takes (PROTOCOL M3).
//!
//! Each kind has a budget or a bound ([`crate::config::MemoryEstimate`] adds them up). What may go beyond:
//! one value larger than a budget; write buffers by what their slabs have in reserve (a quarter, and some KiB for each
//! segment written to) and by tables that grow when the budget is full (24 bytes a key; no write is let in until that is
//! given back); what readers pin of chunks, loaded runs and buffers that are gone otherwise; the writes that a read-only
//! open finds in the log.

use super::core::Core;
use crate::metrics::MemoryMetrics;

impl Core {
    /// What is taken now, by kind.
    pub(crate) fn memory_by_kind(&self) -> MemoryMetrics {
        let delta_cache = self.delta_cache.lock().bytes();
        let chunks = self.registry.cache().statistics();
        let runs = self.registry.statistics();
        let mut memory = MemoryMetrics::default();
        memory.write_buffer_bytes = self.slabs.held_bytes().saturating_sub(delta_cache);
        memory.spare_slab_bytes = self.slabs.spare_bytes();
        memory.sorted_view_bytes = self.slabs.view_bytes();
        memory.delta_cache_bytes = delta_cache;
        memory.chunk_cache_bytes = chunks.bytes - chunks.pinned_bytes;
        memory.pinned_chunk_bytes = chunks.pinned_bytes;
        memory.loaded_bytes = runs.loaded_bytes;
        memory.pinned_loaded_bytes = runs.pinned_bytes;
        memory.maintenance_bytes = self.scratch.bytes();
        memory.log_bytes = self.logs.ready_bytes();
        memory.total_bytes = memory.write_buffer_bytes
            + memory.spare_slab_bytes
            + memory.sorted_view_bytes
            + memory.delta_cache_bytes
            + memory.chunk_cache_bytes
            + memory.pinned_chunk_bytes
            + memory.loaded_bytes
            + memory.pinned_loaded_bytes
            + memory.maintenance_bytes
            + memory.log_bytes;
        memory.estimate_bytes = self.config.memory_estimate_bytes();
        memory.available_bytes = self.available_bytes;
        memory
    }
}

#[cfg(test)]
mod tests;
