//! The delta cache: frozen buffers that stay in memory after their flush, oldest out first.
//!
//! A buffer kept so is another form of its delta run (PROTOCOL D2): it answers reads in place of the run
//! and goes when that run is replaced. It is never rebuilt on load.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::core::Core;
use crate::segment::Segment;
use crate::segment::write_buffer::WriteBuffer;

/// What is kept, in the order of flushes.
#[derive(Debug, Default)]
pub(crate) struct DeltaCache {
    kept: VecDeque<Kept>,
    bytes: u64,
}

#[derive(Debug)]
struct Kept {
    segment: Weak<Segment>,
    buffer: Weak<WriteBuffer>,
    bytes: u64,
}

impl DeltaCache {
    /// Takes out the oldest until what is left fits `budget_bytes`; forgets what is gone anyway.
    fn take_excess(&mut self, budget_bytes: u64) -> Vec<Kept> {
        let gone = |kept: &Kept| kept.buffer.strong_count() == 0;
        let freed: u64 = self.kept.iter().filter(|kept| gone(kept)).map(|kept| kept.bytes).sum();
        self.kept.retain(|kept| !gone(kept));
        self.bytes -= freed;
        let mut excess = Vec::new();
        while self.bytes > budget_bytes {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.bytes;
            excess.push(oldest);
        }
        excess
    }

    /// Bytes kept of buffers that still exist.
    pub(crate) fn bytes(&self) -> u64 {
        let kept = self.kept.iter().filter(|kept| kept.buffer.strong_count() > 0);
        kept.map(|kept| kept.bytes).sum()
    }
}

impl Core {
    /// Notes a flushed buffer that its segment's version still holds, and lets go of older ones. The
    /// caller holds no segment's `installing`.
    pub(crate) fn keep_in_delta_cache(&self, segment: &Arc<Segment>, buffer: &Arc<WriteBuffer>) {
        let bytes = buffer.memory_bytes();
        let excess = {
            let mut cache = self.delta_cache.lock();
            cache.bytes += bytes;
            cache.kept.push_back(Kept {
                segment: Arc::downgrade(segment),
                buffer: Arc::downgrade(buffer),
                bytes,
            });
            cache.take_excess(self.config.write_buffer.delta_cache_bytes)
        };
        for kept in excess {
            if let (Some(segment), Some(buffer)) = (kept.segment.upgrade(), kept.buffer.upgrade()) {
                let_go(&segment, &buffer);
            }
        }
    }
}

/// Publishes a version of the segment without the resident form of a flushed layer.
fn let_go(segment: &Segment, buffer: &Arc<WriteBuffer>) {
    let _installing = segment.installing.lock();
    let mut next = segment.version().as_ref().clone();
    for layer in next.layers.iter_mut().filter(|layer| layer.is_flushed()) {
        if layer.buffer.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, buffer)) {
            layer.buffer = None;
        }
    }
    segment.publish(Arc::new(next));
}
