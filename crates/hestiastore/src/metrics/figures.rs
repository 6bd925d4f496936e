//! Structs of metrics with the list of their fields, and two of them: jobs and segments.
//!
//! Field names are stable: they are the names in JSON, in tables and for scrapers.

/// A metric's value without its type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Metric {
    Number(u64),
    Ratio(f64),
    /// A number that there is none of.
    Absent,
    Text(String),
    Group(Vec<(&'static str, Metric)>),
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

impl From<&Option<f64>> for Metric {
    fn from(ratio: &Option<f64>) -> Self {
        ratio.filter(|ratio| ratio.is_finite()).map_or(Metric::Absent, Metric::Ratio)
    }
}

impl From<&String> for Metric {
    fn from(text: &String) -> Self {
        Metric::Text(text.clone())
    }
}

impl From<&Option<String>> for Metric {
    fn from(text: &Option<String>) -> Self {
        text.clone().map_or(Metric::Absent, Metric::Text)
    }
}

/// A struct of metrics, and the list of its fields in order.
macro_rules! figures {
    (
        $(#[$attribute:meta])+
        $Figures:ident {$(
            $(#[doc = $doc:literal])+
            $field:ident: $type:ty,
        )+}
    ) => {
        $(#[$attribute])+
        #[derive(Debug, Clone, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $Figures {$(
            $(#[doc = $doc])+
            pub $field: $type,
        )+}

        impl $Figures {
            /// Every field, in order.
            pub(crate) fn fields(&self) -> Vec<(&'static str, Metric)> {
                vec![$((stringify!($field), Metric::from(&self.$field))),+]
            }
        }
    };
}
pub(super) use figures;

figures! {
    /// Jobs of one kind.
    ///
    /// ```
    /// use hestiastore::SegmentIndex;
    ///
    /// let index = SegmentIndex::<u64, u64>::in_memory().create()?;
    /// index.put(&1, &1)?;
    /// index.flush_and_wait()?;
    /// let flush = index.metrics_snapshot().maintenance.flush;
    /// println!("{} flushes wrote {} bytes", flush.done, flush.written_bytes);
    /// # Ok::<(), hestiastore::Error>(())
    /// ```
    JobMetrics {
        /// Under way now.
        at_work: u64,
        /// Finished.
        done: u64,
        /// Failed. What failed is tried again.
        failed: u64,
        /// Cancelled by a close.
        cancelled: u64,
        /// Bytes of runs that finished ones read.
        read_bytes: u64,
        /// Bytes of runs that finished ones wrote.
        written_bytes: u64,
        /// How long all that ended took together, in microseconds.
        micros: u64,
        /// How long the longest took, in microseconds.
        longest_micros: u64,
    }
}

impl From<&JobMetrics> for Metric {
    fn from(jobs: &JobMetrics) -> Self {
        Metric::Group(jobs.fields())
    }
}

figures! {
    /// Figures of one segment. They are kept with the segment, whatever is loaded of it, and begin anew with the opening of the
    /// index, or the split that made the segment.
    ///
    /// ```
    /// use hestiastore::SegmentIndex;
    ///
    /// let index = SegmentIndex::<u64, u64>::in_memory().create()?;
    /// for segment in index.segment_metrics() {
    ///     println!("{}: from {}, {} bytes", segment.id, segment.lower, segment.stored_bytes);
    /// }
    /// # Ok::<(), hestiastore::Error>(())
    /// ```
    SegmentFigures {
        /// Its number. Numbers are given once.
        id: u64,
        /// READY; FAILING while its merges fail and are tried again; DAMAGED when they have stopped for good.
        state: String,
        /// The first key that may live in it, as text; empty for the first segment.
        lower: String,
        /// The first key that may not, as text; none for the last segment.
        upper: Option<String>,
        /// Bytes in its runs, as far as it refers to them.
        stored_bytes: u64,
        /// Entries in its runs, overwritten and deleted ones included.
        entries: u64,
        /// Runs of main data.
        main_runs: u64,
        /// Delta runs.
        delta_runs: u64,
        /// Frozen buffers and delta runs that a read has to look through, by age.
        layers: u64,
        /// Of its runs, those whose sparse index and filter are loaded.
        loaded_runs: u64,
        /// Bytes in its write buffers that no run holds yet.
        buffered_bytes: u64,
        /// Every write with a seq up to this one is in a run.
        flushed_seq: u64,
        /// Gets that came to it.
        reads: u64,
        /// Gets that found a value.
        hits: u64,
        /// Gets that loaded a chunk from a file.
        reads_from_disk: u64,
        /// Chunks that gets loaded.
        chunk_reads: u64,
        /// Keys that its filters were asked for.
        filter_requests: u64,
        /// Answers that the key is not there.
        filter_refused: u64,
        /// Answers that it may be, though it was not there.
        filter_false_positives: u64,
        /// Puts and deletes that came to it, those of batches included.
        writes: u64,
        /// Flushes that were installed.
        flushes: u64,
        /// Bytes that they wrote.
        flushed_bytes: u64,
        /// Merges that were installed.
        merges: u64,
        /// Bytes that they wrote.
        merged_bytes: u64,
        /// How many splits since the opening lie behind it.
        splits_inherited: u64,
    }
}
