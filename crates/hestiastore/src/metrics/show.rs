//! Metrics as JSON and as a table.

use std::fmt;

use super::figures::{Metric, SegmentFigures};
use super::json;
use super::snapshot::MetricsSnapshot;

impl MetricsSnapshot {
    /// One JSON object: the texts `name`, `location` and `state`, and an object for each group.
    ///
    /// Numbers are whole and may go beyond 2^53, but for ratios. What there is none of is `null`, as
    /// `snapshots.oldest_seq` is while no snapshot is open.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        for (name, text) in self.texts() {
            put_member(&mut out, name);
            json::put_string(&mut out, text);
        }
        for (group, fields) in self.groups() {
            put_member(&mut out, group);
            put_object(&mut out, &fields);
        }
        out.push('}');
        out
    }

    fn texts(&self) -> [(&'static str, &str); 3] {
        [("name", &self.name), ("location", &self.location), ("state", &self.state)]
    }
}

fn put_object(out: &mut String, fields: &[(&'static str, Metric)]) {
    out.push('{');
    for (field, value) in fields {
        put_member(out, field);
        match value {
            Metric::Number(number) => out.push_str(&number.to_string()),
            Metric::Ratio(ratio) => out.push_str(&shown(*ratio)),
            Metric::Absent => out.push_str("null"),
            Metric::Text(text) => json::put_string(out, text),
            Metric::Group(fields) => put_object(out, fields),
        }
    }
    out.push('}');
}

/// With as many decimals as are of use.
fn shown(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.6}") } else { format!("{ratio:.3}") }
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
            put_rows(&mut rows, group, fields);
        }
        let names_width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in rows {
            writeln!(out, "{name:names_width$}  {value}")?;
        }
        Ok(())
    }
}

/// One row a field; a group's begin with its name.
fn put_rows(rows: &mut Vec<(String, String)>, group: &str, fields: Vec<(&'static str, Metric)>) {
    for (field, value) in fields {
        let name = format!("{group}.{field}");
        let cell = match value {
            Metric::Group(fields) => {
                put_rows(rows, &name, fields);
                continue;
            }
            value => cell(value),
        };
        rows.push((name, cell));
    }
}

fn cell(value: Metric) -> String {
    match value {
        Metric::Number(number) => number.to_string(),
        Metric::Ratio(ratio) => shown(ratio),
        Metric::Text(text) if !text.is_empty() => text,
        Metric::Absent | Metric::Text(_) | Metric::Group(_) => "-".to_owned(),
    }
}

impl SegmentFigures {
    /// One JSON object.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        put_object(&mut out, &self.fields());
        out
    }

    /// A table of several, one line each and the names above.
    pub fn table(segments: &[Self]) -> String {
        let names: Vec<String> =
            Self::default().fields().iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut rows = vec![names];
        rows.extend(
            segments
                .iter()
                .map(|segment| segment.fields().into_iter().map(|(_, value)| cell(value)).collect()),
        );
        let width = |column: usize| {
            rows.iter().map(|row: &Vec<String>| row[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
        let mut table = String::new();
        for row in &rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            table.push_str(cells.join("  ").trim_end());
            table.push('\n');
        }
        table
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

    /// Names are used elsewhere: a change here breaks scrapers.
    const NAMES: &str = "\
        operations: puts gets get_hits gets_from_disk deletes batches batch_operations given_bytes iterators entries_read
        latency: get put delete batch sync
        write_path: buffered_bytes budget_bytes delta_cache_bytes flushes flushed_bytes stall_count stall_micros \
        stall_slowed_count stall_slowed_micros stall_room_count stall_room_micros stall_merges_count stall_merges_micros \
        stall_log_count stall_log_micros stall_commits_count stall_commits_micros stall_visibility_count \
        stall_visibility_micros
        segments: count runs main_runs delta_runs entries_estimate stored_bytes file_bytes splits neighbour_merges delta_merges main_merges
        maintenance: waiting_flushes waiting_merges waiting_compactions flush delta_merge main_merge split neighbour_merge \
        throttled_micros
        cache: hits misses bytes budget_bytes evictions
        registry: state loaded_bytes budget_bytes loaded_runs loaded_segments loads load_failures evictions waiting
        bloom: requests refused positives false_positives false_positive_rate
        log: mode files bytes appended_bytes appended_records syncs synced_seq last_seq
        io: chunk_reads read_bytes written_bytes run_written_bytes log_written_bytes manifest_written_bytes syncs \
        quarantined_files
        amplification: write read space
        scrub: scrubbed_bytes finished last_finished_micros problems
        memory: write_buffer_bytes spare_slab_bytes sorted_view_bytes delta_cache_bytes chunk_cache_bytes \
        pinned_chunk_bytes loaded_bytes pinned_loaded_bytes maintenance_bytes log_bytes total_bytes estimate_bytes available_bytes
        health: failure writes_refused background_failures last_background_failure damaged_segments failed_deletions
        snapshots: open oldest_seq oldest_age_micros held_bytes pinned_bytes kept_version_bytes";

    #[test]
    fn names_are_stable() {
        let names = |(group, fields): (&str, Vec<(&str, Metric)>)| {
            let fields: Vec<&str> = fields.into_iter().map(|(name, _)| name).collect();
            format!("{group}: {}", fields.join(" "))
        };
        let found: Vec<String> = MetricsSnapshot::default().groups().into_iter().map(names).collect();
        let expected: Vec<&str> = NAMES.lines().map(str::trim).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn json_nests_groups_and_escapes_texts() {
        let mut metrics = example();
        metrics.amplification.write = Some(2.0 / 3.0);
        metrics.bloom.false_positive_rate = Some(0.001);
        let json = metrics.to_json();
        let begin = concat!(
            r#"{"name":"or\"ders","location":"C:\\data\n","state":"ready","#,
            r#""operations":{"puts":18446744073709551615,"gets":0,"#,
        );
        assert!(json.starts_with(begin), "{json}");
        let parts = [
            r#""latency":{"get":{"count":0,"sum_nanos":0,"p50_nanos":0,"p90_nanos":0,"p99_nanos":0,"#,
            r#""p999_nanos":0,"p9999_nanos":0,"max_nanos":0},"put":{"#,
            r#""flush":{"at_work":0,"done":0,"failed":0,"cancelled":0,"read_bytes":0,"written_bytes":0,"#,
            r#""micros":0,"longest_micros":0},"delta_merge":{"#,
            r#""false_positive_rate":0.001000}"#,
            r#""log":{"mode":"buffered","#,
            r#""amplification":{"write":0.667,"read":null,"space":null}"#,
        ];
        for part in parts {
            assert!(json.contains(part), "{part} in {json}");
        }
        assert!(json.ends_with(r#""pinned_bytes":0,"kept_version_bytes":0}}"#), "{json}");
    }

    #[test]
    fn table_is_aligned() {
        let mut metrics = example();
        metrics.location = "/data".into();
        let table = metrics.to_string();
        let starts: Vec<_> = table.lines().map(|line| line.rfind(' ').map(|at| at + 1)).collect();
        assert!(starts.iter().all(|start| *start == starts[0]), "{table}");
        let cell =
            |name: &str| table.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
        assert_eq!(cell("snapshots.oldest_seq ").as_deref(), Some("-"));
        assert_eq!(cell("log.mode ").as_deref(), Some("buffered"));
        assert_eq!(cell("latency.put.p99_nanos ").as_deref(), Some("0"));
    }

    #[test]
    fn segments_make_a_line_each() {
        let segments =
            [7, 12].map(|id| SegmentFigures { id, state: "READY".into(), ..SegmentFigures::default() });
        let table = SegmentFigures::table(&segments);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("id  state  lower  upper  stored_bytes  entries"), "{table}");
        assert!(lines[1].starts_with("7   READY  -      -      0             0"), "{table}");
        assert!(segments[1].to_json().starts_with(r#"{"id":12,"state":"READY","lower":"","upper":null,"#));
    }
}
