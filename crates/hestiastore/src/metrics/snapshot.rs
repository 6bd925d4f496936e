//! All metrics of an index at one moment, as plain data, as JSON and as a table.
//!
//! Field names are stable: they are the names in the JSON, in the table and for scrapers. A line in
//! the list below makes the field, its documentation, and its place in all three.

use std::fmt;

use super::json;

/// A metric's value without its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Metric {
    Number(u64),
    /// A number that there is none of.
    Absent,
    Text(String),
}

impl From<&u64> for Metric {
    fn from(number: &u64) -> Self {
        Metric::Number(*number)
    }
}

impl From<&Option<u64>> for Metric {
    fn from(number: &Option<u64>) -> Self {
        number.map_or(Metric::Absent, Metric::Number)
    }
}

impl From<&String> for Metric {
    fn from(text: &String) -> Self {
        Metric::Text(text.clone())
    }
}

/// The structs of the groups and of the snapshot, and the list of their fields in order.
macro_rules! groups {
    ($(
        $(#[doc = $group_doc:literal])+
        $group:ident: $Group:ident {$(
            $(#[doc = $doc:literal])+
            $field:ident: $type:ty,
        )+}
    )+) => {
        $(
            $(#[doc = $group_doc])+
            ///
            /// ```
            /// # use hestiastore::metrics::MetricsSnapshot;
            #[doc = concat!("# use hestiastore::metrics::", stringify!($Group), ";")]
            /// let metrics = MetricsSnapshot::default();
            #[doc = concat!("let group: &", stringify!($Group), " = &metrics.", stringify!($group), ";")]
            /// println!("{group:?}");
            /// ```
            #[derive(Debug, Clone, Default, PartialEq, Eq)]
            #[non_exhaustive]
            pub struct $Group {$(
                $(#[doc = $doc])+
                pub $field: $type,
            )+}
        )+

        /// The metrics of an index at one moment.
        ///
        /// Counters count from the opening of the index. They are read one after the other while the
        /// index works, so that two of them may differ by what happened in between.
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
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct MetricsSnapshot {
            /// The name of the index.
            pub name: String,
            /// Where the index is.
            pub location: String,
            /// The state of the index, for example `ready`.
            pub state: String,
            $(
                $(#[doc = $group_doc])+
                pub $group: $Group,
            )+
        }

        impl MetricsSnapshot {
            /// Every group with its fields, in order.
            pub(crate) fn groups(&self) -> Vec<(&'static str, Vec<(&'static str, Metric)>)> {
                vec![$((
                    stringify!($group),
                    vec![$((stringify!($field), Metric::from(&self.$group.$field))),+],
                )),+]
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
        /// Single deletes.
        deletes: u64,
        /// Batches.
        batches: u64,
        /// Operations in batches.
        batch_operations: u64,
        /// Iterators that were opened.
        iterators: u64,
        /// Entries that iterators returned.
        entries_read: u64,
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
        /// Bytes in runs now.
        stored_bytes: u64,
        /// Splits that were installed.
        splits: u64,
        /// Merges of small neighbours that were installed.
        neighbour_merges: u64,
        /// Merges of deltas among themselves.
        delta_merges: u64,
        /// Merges into main data.
        main_merges: u64,
    }

    /// The chunk cache, and what is loaded of the segments.
    cache: CacheMetrics {
        /// Chunks that were found in the cache.
        hits: u64,
        /// Chunks that were not.
        misses: u64,
        /// Bytes of cached chunks now.
        bytes: u64,
        /// Limit of that: `cache.chunk_bytes`.
        budget_bytes: u64,
        /// Bytes of loaded sparse indexes and Bloom filters now.
        loaded_bytes: u64,
        /// Segments with loaded resources now.
        loaded_segments: u64,
        /// Segments whose resources were given up for others.
        evictions: u64,
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
    }

    /// The write-ahead log.
    log: LogMetrics {
        /// The durability mode, as `log.durability` is written.
        mode: String,
        /// Log files now.
        files: u64,
        /// Bytes of log files now.
        bytes: u64,
        /// Bytes of records that were appended.
        appended_bytes: u64,
        /// Records that were appended.
        appended_records: u64,
        /// Syncs that were finished.
        syncs: u64,
        /// Median time of a sync, in microseconds.
        sync_p50_micros: u64,
        /// Time that one sync in a hundred takes longer than, in microseconds.
        sync_p99_micros: u64,
        /// Longest sync, in microseconds.
        sync_max_micros: u64,
        /// Greatest seq that is known to survive a power cut.
        synced_seq: u64,
        /// Greatest seq that was given.
        last_seq: u64,
    }

    /// Files.
    io: IoMetrics {
        /// Chunks that were read from files.
        chunk_reads: u64,
        /// Bytes written to runs, logs and manifest.
        written_bytes: u64,
        /// Files that were moved to quarantine.
        quarantined_files: u64,
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
        /// Merges and flushes at work.
        maintenance_bytes: u64,
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
    }
}

impl MetricsSnapshot {
    /// One JSON object: the texts `name`, `location` and `state`, and an object for each group.
    ///
    /// Numbers are whole and may go beyond 2^53; `snapshots.oldest_seq` is `null` while no snapshot
    /// is open.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        for (name, text) in self.texts() {
            put_member(&mut out, name);
            json::put_string(&mut out, text);
        }
        for (group, fields) in self.groups() {
            put_member(&mut out, group);
            out.push('{');
            for (field, value) in fields {
                put_member(&mut out, field);
                match value {
                    Metric::Number(number) => out.push_str(&number.to_string()),
                    Metric::Absent => out.push_str("null"),
                    Metric::Text(text) => json::put_string(&mut out, &text),
                }
            }
            out.push('}');
        }
        out.push('}');
        out
    }

    fn texts(&self) -> [(&'static str, &str); 3] {
        [("name", &self.name), ("location", &self.location), ("state", &self.state)]
    }
}

/// A comma unless it is the object's first member, the name and a colon.
fn put_member(out: &mut String, name: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    json::put_string(out, name);
    out.push(':');
}

/// One line a field: `group.field` and the value, each in its column.
impl fmt::Display for MetricsSnapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.texts().map(|(name, text)| (name.to_owned(), text.to_owned()));
        let mut rows: Vec<(String, String)> = texts.into();
        for (group, fields) in self.groups() {
            rows.extend(fields.into_iter().map(|(field, value)| {
                let shown = match value {
                    Metric::Number(number) => number.to_string(),
                    Metric::Text(text) if !text.is_empty() => text,
                    Metric::Absent | Metric::Text(_) => "-".to_owned(),
                };
                (format!("{group}.{field}"), shown)
            }));
        }
        let names_width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in rows {
            writeln!(out, "{name:names_width$}  {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> MetricsSnapshot {
        let mut metrics = MetricsSnapshot {
            name: "or\"ders".into(),
            location: "C:\\data\n".into(),
            state: "ready".into(),
            ..MetricsSnapshot::default()
        };
        metrics.operations.puts = u64::MAX;
        metrics.log.mode = "buffered".into();
        metrics
    }

    #[test]
    fn json_has_stable_names_and_escapes_texts() {
        let mut metrics = example();
        let expected = concat!(
            r#"{"name":"or\"ders","location":"C:\\data\n","state":"ready","#,
            r#""operations":{"puts":18446744073709551615,"gets":0,"get_hits":0,"deletes":0,"batches":0,"#,
            r#""batch_operations":0,"iterators":0,"entries_read":0},"#,
            r#""write_path":{"buffered_bytes":0,"budget_bytes":0,"delta_cache_bytes":0,"flushes":0,"flushed_bytes":0,"#,
            r#""stall_count":0,"stall_micros":0,"#,
            r#""stall_slowed_count":0,"stall_slowed_micros":0,"#,
            r#""stall_room_count":0,"stall_room_micros":0,"#,
            r#""stall_merges_count":0,"stall_merges_micros":0,"#,
            r#""stall_log_count":0,"stall_log_micros":0,"#,
            r#""stall_commits_count":0,"stall_commits_micros":0,"#,
            r#""stall_visibility_count":0,"stall_visibility_micros":0},"#,
            r#""segments":{"count":0,"runs":0,"main_runs":0,"delta_runs":0,"entries_estimate":0,"#,
            r#""stored_bytes":0,"splits":0,"neighbour_merges":0,"delta_merges":0,"main_merges":0},"#,
            r#""cache":{"hits":0,"misses":0,"bytes":0,"budget_bytes":0,"loaded_bytes":0,"#,
            r#""loaded_segments":0,"evictions":0},"#,
            r#""bloom":{"requests":0,"refused":0,"positives":0,"false_positives":0},"#,
            r#""log":{"mode":"buffered","files":0,"bytes":0,"appended_bytes":0,"appended_records":0,"#,
            r#""syncs":0,"sync_p50_micros":0,"sync_p99_micros":0,"sync_max_micros":0,"synced_seq":0,"last_seq":0},"#,
            r#""io":{"chunk_reads":0,"written_bytes":0,"quarantined_files":0},"#,
            r#""scrub":{"scrubbed_bytes":0,"finished":0,"last_finished_micros":null,"problems":0},"#,
            r#""memory":{"write_buffer_bytes":0,"spare_slab_bytes":0,"sorted_view_bytes":0,"delta_cache_bytes":0,"#,
            r#""chunk_cache_bytes":0,"pinned_chunk_bytes":0,"loaded_bytes":0,"maintenance_bytes":0,"#,
            r#""total_bytes":0,"estimate_bytes":0,"available_bytes":null},"#,
            r#""health":{"failure":"","writes_refused":"","background_failures":0,"last_background_failure":"","#,
            r#""damaged_segments":0,"failed_deletions":0},"#,
            r#""snapshots":{"open":0,"oldest_seq":null}}"#,
        );
        assert_eq!(metrics.to_json(), expected);
        metrics.snapshots.oldest_seq = Some(7);
        assert!(metrics.to_json().ends_with(r#""oldest_seq":7}}"#));
    }

    #[test]
    fn table_is_aligned() {
        let mut metrics = example();
        metrics.location = "/data".into();
        let table = metrics.to_string();
        let starts: Vec<_> = table.lines().map(|line| line.rfind(' ').map(|at| at + 1)).collect();
        assert!(starts.iter().all(|start| *start == starts[0]), "{table}");
        let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(rows.contains(&vec!["snapshots.oldest_seq", "-"]), "{table}");
        assert!(rows.contains(&vec!["log.mode", "buffered"]), "{table}");
    }
}
