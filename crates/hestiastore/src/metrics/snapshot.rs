//! All metrics of an index at one moment, as plain data. [`super::show`] makes JSON and a table of them.
//!
//! Field names are stable: they are the names in the JSON, in the table and for scrapers. A line in
//! the lists below makes the field, its documentation, and its place in all three.

use super::figures::{JobMetrics, Metric, figures};
use super::latency::LatencyMetrics;

/// The structs of the groups and of the snapshot.
macro_rules! groups {
    ($(
        $(#[doc = $group_doc:literal])+
        $group:ident: $Group:ident {$(
            $(#[doc = $doc:literal])+
            $field:ident: $type:ty,
        )+}
    )+) => {
        $(figures! {
            $(#[doc = $group_doc])+
            ///
            /// ```
            /// # use hestiastore::metrics::MetricsSnapshot;
            #[doc = concat!("# use hestiastore::metrics::", stringify!($Group), ";")]
            /// let metrics = MetricsSnapshot::default();
            #[doc = concat!("let group: &", stringify!($Group), " = &metrics.", stringify!($group), ";")]
            /// println!("{group:?}");
            /// ```
            $Group {$(
                $(#[doc = $doc])+
                $field: $type,
            )+}
        })+

        /// The metrics of an index at one moment.
        ///
        /// Counters count from the opening of the index. They are read one after the other while the
        /// index works, so that two of them may differ by what happened in between. None ever falls.
        ///
        /// ```
        /// use hestiastore::metrics::MetricsSnapshot;
        ///
        /// let mut metrics = MetricsSnapshot::default();
        /// metrics.name = "orders".into();
        /// metrics.operations.puts = 12;
        /// assert!(metrics.to_json().contains(r#""puts":12"#));
        /// println!("{metrics}");
        /// ```
        #[derive(Debug, Clone, Default, PartialEq)]
        #[non_exhaustive]
        pub struct MetricsSnapshot {
            /// The name of the index.
            pub name: String,
            /// Where the index is.
            pub location: String,
            /// The state of the index, for example `READY`.
            pub state: String,
            $(
                $(#[doc = $group_doc])+
                pub $group: $Group,
            )+
        }

        impl MetricsSnapshot {
            /// Every group with its fields, in order.
            pub(crate) fn groups(&self) -> Vec<(&'static str, Vec<(&'static str, Metric)>)> {
                vec![$((stringify!($group), self.$group.fields())),+]
            }
        }
    };
}

groups! {
    /// Calls of the index.
    operations: OperationMetrics {
        /// Single puts.
        puts: u64,
        /// Single gets.
        gets: u64,
        /// Gets that found a value.
        get_hits: u64,
        /// Gets that loaded a chunk from a file, or several.
        gets_from_disk: u64,
        /// Single deletes.
        deletes: u64,
        /// Batches.
        batches: u64,
        /// Operations in batches.
        batch_operations: u64,
        /// Bytes of keys and values in puts, deletes and batches.
        given_bytes: u64,
        /// Iterators that were opened.
        iterators: u64,
        /// Entries that iterators returned.
        entries_read: u64,
    }

    /// How long calls took. A sample is timed and stands for the others; writes that had to wait are all timed.
    latency: LatencyGroup {
        /// Gets, those of snapshots included.
        get: LatencyMetrics,
        /// Single puts, with their sync where the mode asks for one.
        put: LatencyMetrics,
        /// Single deletes.
        delete: LatencyMetrics,
        /// Batches.
        batch: LatencyMetrics,
        /// Syncs of the log.
        sync: LatencyMetrics,
    }

    /// Write buffers and their flushes.
    write_path: WritePathMetrics {
        /// Bytes in write buffers now, dead ones included.
        buffered_bytes: u64,
        /// Limit of that: `write_buffer.budget_bytes`.
        budget_bytes: u64,
        /// Bytes of flushed buffers that are kept in memory: the delta cache.
        delta_cache_bytes: u64,
        /// Flushes that were installed.
        flushes: u64,
        /// Bytes that flushes wrote.
        flushed_bytes: u64,
        /// Times that a writer was held up, whatever the cause.
        stall_count: u64,
        /// How long in all, in microseconds.
        stall_micros: u64,
        /// Of these, slowed because the write budget fills faster than flushes empty it.
        stall_slowed_count: u64,
        /// How long, in microseconds.
        stall_slowed_micros: u64,
        /// Of these, held up because the write budget was full.
        stall_room_count: u64,
        /// How long, in microseconds.
        stall_room_micros: u64,
        /// Of these, the same, while what filled it waited for merges.
        stall_merges_count: u64,
        /// How long, in microseconds.
        stall_merges_micros: u64,
        /// Of these, held up because the log was full and the next one not ready.
        stall_log_count: u64,
        /// How long, in microseconds.
        stall_log_micros: u64,
        /// Of these, held up because too many commits were under way.
        stall_commits_count: u64,
        /// How long, in microseconds.
        stall_commits_micros: u64,
        /// Of these, held up because an earlier commit was not visible yet.
        stall_visibility_count: u64,
        /// How long, in microseconds.
        stall_visibility_micros: u64,
    }

    /// Segments and their runs.
    segments: SegmentMetrics {
        /// Segments now.
        count: u64,
        /// Runs now.
        runs: u64,
        /// Of these, runs of main data.
        main_runs: u64,
        /// Of these, delta runs.
        delta_runs: u64,
        /// Entries in runs now, overwritten and deleted ones included.
        entries_estimate: u64,
        /// Bytes in runs now, as far as segments refer to them.
        stored_bytes: u64,
        /// Bytes of the files of these runs; more, where a split left a part of a file to nobody.
        file_bytes: u64,
        /// Splits that were installed.
        splits: u64,
        /// Merges of small neighbours that were installed.
        neighbour_merges: u64,
        /// Merges of deltas among themselves.
        delta_merges: u64,
        /// Merges into main data.
        main_merges: u64,
    }

    /// Background work, by kind.
    maintenance: MaintenanceMetrics {
        /// Segments that wait for a flush now.
        waiting_flushes: u64,
        /// Segments that wait for a look at what to merge or split.
        waiting_merges: u64,
        /// Segments that wait for a compaction that was asked for.
        waiting_compactions: u64,
        /// Flushes of write buffers into delta or main runs.
        flush: JobMetrics,
        /// Merges of delta runs among themselves.
        delta_merge: JobMetrics,
        /// Merges into main runs, compactions included.
        main_merge: JobMetrics,
        /// Splits of segments.
        split: JobMetrics,
        /// Merges of small neighbours into one segment.
        neighbour_merge: JobMetrics,
        /// Time that merges and splits rested so as not to be too fast, in microseconds.
        throttled_micros: u64,
    }

    /// The chunk cache.
    cache: CacheMetrics {
        /// Chunks that were found in the cache.
        hits: u64,
        /// Chunks that were not.
        misses: u64,
        /// Bytes of cached chunks now.
        bytes: u64,
        /// Limit of that: `cache.chunk_bytes`.
        budget_bytes: u64,
        /// Chunks that were given up for others.
        evictions: u64,
    }

    /// What is loaded of the runs: sparse indexes, Bloom filters, open files.
    registry: RegistryMetrics {
        /// The state of the registry: READY, FREEZE, CLOSED, ERROR.
        state: String,
        /// Bytes of loaded sparse indexes and Bloom filters now.
        loaded_bytes: u64,
        /// Limit of that: `cache.loaded_bytes`.
        budget_bytes: u64,
        /// Runs that are loaded now.
        loaded_runs: u64,
        /// Segments that have loaded runs now.
        loaded_segments: u64,
        /// Runs that were loaded.
        loads: u64,
        /// Runs that could not be loaded.
        load_failures: u64,
        /// Runs that were given up for others.
        evictions: u64,
        /// Readers that wait now for a run that another one is loading.
        waiting: u64,
    }

    /// Bloom filters: each request is refused or positive.
    bloom: BloomMetrics {
        /// Keys that filters were asked for.
        requests: u64,
        /// Answers that the key is not there: reads avoided.
        refused: u64,
        /// Answers that it may be.
        positives: u64,
        /// Positives whose key then was not there.
        false_positives: u64,
        /// Of the requests for keys that were not there, the share that filters let pass.
        false_positive_rate: Option<f64>,
    }

    /// The write-ahead log.
    log: LogMetrics {
        /// The durability mode, as `log.durability` is written.
        mode: String,
        /// Log files now.
        files: u64,
        /// Bytes of log files now.
        bytes: u64,
        /// Bytes that were appended: records, marks and headers.
        appended_bytes: u64,
        /// Records of writes that were appended.
        appended_records: u64,
        /// Syncs that were finished.
        syncs: u64,
        /// Greatest seq that is known to survive a power cut.
        synced_seq: u64,
        /// Greatest seq that can be read.
        last_seq: u64,
    }

    /// Files.
    io: IoMetrics {
        /// Chunks that were read from files.
        chunk_reads: u64,
        /// Bytes read from files, around the caches too.
        read_bytes: u64,
        /// Bytes written to files.
        written_bytes: u64,
        /// Of these, to runs.
        run_written_bytes: u64,
        /// Of these, to logs: `log.appended_bytes`.
        log_written_bytes: u64,
        /// Of these, to the manifest.
        manifest_written_bytes: u64,
        /// Syncs of files.
        syncs: u64,
        /// Files that were moved to quarantine.
        quarantined_files: u64,
    }

    /// How much more is done than was asked for.
    amplification: AmplificationMetrics {
        /// Bytes written to runs, logs and manifest for each byte of keys and values given.
        write: Option<f64>,
        /// Chunks read by each get that went to a file.
        read: Option<f64>,
        /// Bytes in files of runs for each byte of live data. An estimate from above: the data of a segment count
        /// as large as its main runs, or its largest delta layer where that is larger.
        space: Option<f64>,
    }

    /// Checks and scrubs, asked for and in the background.
    scrub: ScrubMetrics {
        /// Bytes that they have gone through.
        scrubbed_bytes: u64,
        /// How many have gone through everything.
        finished: u64,
        /// When the last of these ended, in wall-clock microseconds since 1970, if any has.
        last_finished_micros: Option<u64>,
        /// Problems that they found.
        problems: u64,
    }

    /// Memory that is taken now, by kind: each byte in one of them.
    memory: MemoryMetrics {
        /// Write buffers, with all that they have in reserve, and those that only a reader still holds.
        write_buffer_bytes: u64,
        /// Memory kept for write buffers to come.
        spare_slab_bytes: u64,
        /// Write buffers in key order, for scans and flushes.
        sorted_view_bytes: u64,
        /// Flushed buffers that are kept: the delta cache.
        delta_cache_bytes: u64,
        /// Chunks in the cache.
        chunk_cache_bytes: u64,
        /// Chunks that the cache has given up and a reader still holds.
        pinned_chunk_bytes: u64,
        /// Loaded sparse indexes and Bloom filters.
        loaded_bytes: u64,
        /// Sparse indexes and Bloom filters that the registry has given up and a reader still holds.
        pinned_loaded_bytes: u64,
        /// Merges and flushes at work.
        maintenance_bytes: u64,
        /// What is mapped of log files, in the page cache; 0 where logs are written.
        log_bytes: u64,
        /// The sum of all these.
        total_bytes: u64,
        /// What it may be: the sum of all budgets and bounds, see `Config::memory_estimate`.
        estimate_bytes: u64,
        /// What the machine and the control groups of the process allow, if that is known.
        available_bytes: Option<u64>,
    }

    /// What does not work.
    health: HealthMetrics {
        /// Why the index is in ERROR; empty if it is not.
        failure: String,
        /// Why writes are refused now, for example a full disk; empty while they are not.
        writes_refused: String,
        /// Jobs that failed in the background and did not end the index.
        background_failures: u64,
        /// What the last of them was about; empty if there was none.
        last_background_failure: String,
        /// Segments whose merges have stopped at a damaged run.
        damaged_segments: u64,
        /// Files that could not be deleted; the next open tries again.
        failed_deletions: u64,
    }

    /// Snapshots that hold versions back.
    snapshots: SnapshotMetrics {
        /// Snapshots and iterators that are open now.
        open: u64,
        /// The seq of the oldest, if any.
        oldest_seq: Option<u64>,
        /// How long the oldest has been open, in microseconds of the monotonic clock.
        oldest_age_micros: Option<u64>,
        /// What they keep from being given up: the two figures below together. An estimate.
        held_bytes: u64,
        /// Bytes of files that nothing refers to any more but a reader.
        pinned_bytes: u64,
        /// Bytes of overwritten versions in runs that a flush or merge has kept for readers, as long as one is open
        /// that is older than the run.
        kept_version_bytes: u64,
    }
}
