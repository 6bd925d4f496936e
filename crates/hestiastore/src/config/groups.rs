//! The table of all knobs. To add one, add a line here and a row to `docs/format/config.md`.
//!
//! A line reads `name: type = default, tag, what is allowed, what a change at reopening means;`.
//! A tag is never given to another knob; its highest bit says that an engine which does not know the
//! knob must refuse the index. A first doc line becomes the knob's line in `hestia config`, so it is
//! one sentence.

use std::time::Duration;

use super::choices::{Durability, LogIo};
use super::filters::FilterNames;
use super::knob::{Kind, Knob, Reopen};
use super::patch::ConfigPatch;
use super::text::{GIB, KIB, MIB, MICRO, MILLI, SECOND, TIB};
use super::value::Setting;

/// From the table: the struct of each group with its defaults, the group's setters on a patch,
/// `Config`, and the rows that everything else walks over.
macro_rules! settings {
    ($(
        $(#[doc = $group_doc:literal])+
        $group:ident: $Group:ident, $Patch:ident {$(
            #[doc = $line:literal]
            $(#[doc = $more:literal])*
            $knob:ident: $type:ty = $default:expr, $tag:literal, $kind:expr, $reopen:ident;
        )+}
    )+) => {
        /// All settings of an index.
        ///
        /// ```
        /// use hestiastore::config::{Config, Durability};
        ///
        /// let mut config = Config::default();
        /// config.log.durability = Durability::Sync;
        /// config.validate()?;
        /// # Ok::<(), hestiastore::Error>(())
        /// ```
        #[derive(Debug, Clone, PartialEq, Default)]
        #[non_exhaustive]
        pub struct Config {$(
            $(#[doc = $group_doc])+
            pub $group: $Group,
        )+}

        $(
            $(#[doc = $group_doc])+
            ///
            /// ```
            #[doc = concat!("use hestiastore::config::{Config, ", stringify!($Group), "};")]
            ///
            #[doc = concat!(
                "assert_eq!(Config::default().", stringify!($group), ", ",
                stringify!($Group), "::default());"
            )]
            /// ```
            #[derive(Debug, Clone, PartialEq)]
            #[non_exhaustive]
            pub struct $Group {$(
                #[doc = $line]
                $(#[doc = $more])*
                pub $knob: $type,
            )+}

            impl Default for $Group {
                fn default() -> Self {
                    Self { $($knob: $default),+ }
                }
            }

            #[doc = concat!("Changes settings of the group `", stringify!($group), "`.")]
            ///
            /// ```
            #[doc = concat!("use hestiastore::config::{ConfigPatch, ", stringify!($Patch), "};")]
            ///
            #[doc = concat!(
                "let unchanged = |group: ", stringify!($Patch), "| group;\n",
                "assert!(ConfigPatch::default().", stringify!($group), "(unchanged).is_empty());"
            )]
            /// ```
            #[derive(Debug)]
            pub struct $Patch(ConfigPatch);

            impl $Patch {$(
                #[doc = $line]
                $(#[doc = $more])*
                pub fn $knob(self, $knob: $type) -> Self {
                    let name = concat!(stringify!($group), ".", stringify!($knob));
                    Self(self.0.with(name, $knob.to_value()))
                }
            )+}
        )+

        impl ConfigPatch {$(
            #[doc = concat!("Changes settings of the group `", stringify!($group), "`.")]
            pub fn $group(self, change: impl FnOnce($Patch) -> $Patch) -> Self {
                change($Patch(self)).0
            }
        )+}

        pub(super) static KNOBS: &[Knob] = &[$($(
            Knob {
                name: concat!(stringify!($group), ".", stringify!($knob)),
                doc: $line,
                tag: $tag,
                optional: <$type as Setting>::OPTIONAL,
                kind: $kind,
                reopen: Reopen::$reopen,
                get: |config| config.$group.$knob.to_value(),
                set: |config, value| match Setting::from_value(value) {
                    Some(fitting) => {
                        config.$group.$knob = fitting;
                        true
                    }
                    None => false,
                },
            },
        )+)+];
    };
}

settings! {
    /// Write buffers, and what is kept of them after their flush.
    write_buffer: WriteBufferConfig, WriteBufferPatch {
        /// Bytes of all write buffers together; writers slow down as it fills.
        budget_bytes: u64 = 64 * MIB, 0x0101, bytes(64 * KIB, TIB), AtOpen;
        /// Bytes of frozen buffers kept in memory after their flush; 0 keeps none.
        delta_cache_bytes: u64 = 32 * MIB, 0x0102, bytes(0, TIB), AtOpen;
    }

    /// Segments and the merging of their runs.
    segment: SegmentConfig, SegmentPatch {
        /// Stored bytes that a segment aims at; it is split at one and a half times that.
        target_bytes: u64 = 64 * MIB, 0x0201, bytes(4 * KIB, TIB), AtOpen;
        /// How many delta runs of similar size are merged at once.
        delta_fan_in: u32 = 4, 0x0202, count(2, 64), AtOpen;
        /// Deltas are merged into the main data when they reach this share of its size, in percent.
        main_merge_percent: u32 = 50, 0x0203, count(1, 400), AtOpen;
    }

    /// Entry chunks.
    chunk: ChunkConfig, ChunkPatch {
        /// Most keys of a chunk: the window of a point lookup, and the cadence of the sparse index.
        max_keys: u32 = 128, 0x0301, count(1, 32_768), NewFiles;
        /// A chunk is closed when it holds this many bytes before compression.
        max_bytes: u64 = 16 * KIB, 0x0302, bytes(256, MIB), NewFiles;
        /// Filters in the order of encoding; the first two are always magic-number and crc32.
        filters: FilterNames = FilterNames::from(["magic-number", "crc32", "lz4"]),
            0x8303, Kind::Filters, NewFilesSameEncryption;
    }

    /// Bloom filters.
    bloom: BloomConfig, BloomPatch {
        /// Whether new runs get a Bloom filter.
        enabled: bool = true, 0x0401, Kind::Switch, NewFiles;
        /// Share of absent keys that the filter lets through; its size follows from it.
        false_positive_rate: f64 = 0.01, 0x0402, Kind::Rate, NewFiles;
        /// Size of each run's filter in bytes, given by hand in place of the rate.
        size_bytes: Option<u64> = None, 0x0403, bytes(64, GIB), NewFiles;
        /// Number of hash functions, given by hand together with `bloom.size_bytes`.
        hashes: Option<u32> = None, 0x0404, count(1, 30), NewFiles;
    }

    /// Reading and writing of files.
    io: IoConfig, IoPatch {
        /// Size of the blocks of a data file.
        block_bytes: u64 = 4 * KIB, 0x0501, multiples(4 * KIB, MIB, 4 * KIB), NewFiles;
        /// Size of the buffers of streaming reads and writes (the reference's `diskIoBufferSize`).
        buffer_bytes: u64 = 256 * KIB, 0x0502, multiples(KIB, 64 * MIB, KIB), AtOpen;
    }

    /// What is kept in memory of the data on disk.
    cache: CacheConfig, CachePatch {
        /// Bytes of decoded chunks; 0 keeps none.
        chunk_bytes: u64 = 64 * MIB, 0x0601, bytes(0, 16 * TIB), AtOpen;
        /// Most segments whose resources are loaded (the reference's `maxNumberOfSegmentsInCache`).
        ///
        /// Without it, `cache.loaded_bytes` alone decides.
        segments: Option<u32> = None, 0x0602, count(3, 1_000_000), AtOpen;
        /// Bytes of loaded sparse indexes and Bloom filters.
        loaded_bytes: u64 = 256 * MIB, 0x0603, bytes(64 * KIB, 16 * TIB), AtOpen;
    }

    /// Background work: flushes, merges, splits.
    maintenance: MaintenanceConfig, MaintenancePatch {
        /// Number of background threads; 2 are 1 where the process may use only one processor.
        ///
        /// Its affinity and the quotas of its control groups count, as
        /// [`available_parallelism`](std::thread::available_parallelism) tells them. A [`Runtime`](crate::Runtime) has as
        /// many as it is given.
        threads: u32 = 2, 0x0701, count(1, 64), AtOpen;
        /// Whether merges and splits begin by themselves; flushes always do.
        automatic: bool = true, 0x0702, Kind::Switch, AtOpen;
        /// Bytes that a background scrub reads from disk in a second; 0 for no background scrub.
        scrub_bytes_per_second: u64 = 0, 0x0703, bytes(0, TIB), AtOpen;
        /// Time from the beginning of one background scrub to that of the next.
        ///
        /// The first begins with the first write of an open.
        scrub_interval: Duration = Duration::from_secs(7 * 24 * 3_600),
            0x0704, time(SECOND, 365 * 24 * 3_600 * SECOND), AtOpen;
        /// How long nothing must have been asked before deltas are merged into main all the way.
        ///
        /// Other tidying is done then too, unless `maintenance.automatic` is off.
        idle_after: Duration = Duration::from_secs(1), 0x0705, time(MILLI, 365 * 24 * 3_600 * SECOND), AtOpen;
        /// Bytes of entries that merges read and write in a second, before compression; 0 for no limit.
        ///
        /// Flushes are not limited. A [`Runtime`](crate::Runtime) can set a limit for several indexes together.
        rate_bytes_per_second: u64 = 0, 0x0706, bytes(0, TIB), AtOpen;
        /// Merges slow down while more than one of a hundred gets and puts takes longer than this.
        ///
        /// They never stop, and are as fast as they can be while writers wait for room.
        latency_target: Option<Duration> = None, 0x0707, time(MICRO, 60 * SECOND), AtOpen;
    }

    /// The write-ahead log.
    log: LogConfig, LogPatch {
        /// When a write is safe, and from what.
        durability: Durability = Durability::Buffered,
            0x8801, Kind::Choice(Durability::NAMES), AtOpen;
        /// Time between background syncs in the mode `buffered`.
        sync_interval: Duration = Duration::from_millis(100),
            0x0802, time(MILLI, 3_600 * SECOND), AtOpen;
        /// How long a commit in the mode `group-sync` may wait for others to share its sync.
        group_delay: Duration = Duration::ZERO, 0x0803, time(0, 5 * MILLI), AtOpen;
        /// How log bytes reach the operating system.
        io: LogIo = LogIo::Mapped, 0x0804, Kind::Choice(LogIo::NAMES), AtOpen;
        /// Size of the first log file; later ones grow with the index.
        first_file_bytes: u64 = MIB, 0x0805, bytes(16 * KIB, GIB), NewFiles;
        /// Size at which log files stop growing; one larger record gets a file of its own.
        max_file_bytes: u64 = 64 * MIB, 0x0806, bytes(16 * KIB, GIB), NewFiles;
        /// Bytes of all log files at which buffers are flushed to free the oldest.
        ///
        /// By default four times `write_buffer.budget_bytes`; at least three times that.
        limit_bytes: Option<u64> = None, 0x0807, bytes(32 * KIB, 64 * TIB), AtOpen;
    }

    /// Memory as a whole.
    memory: MemoryConfig, MemoryPatch {
        /// Bytes of all memory together; setting it sets each budget that is not set beside it.
        ///
        /// These are `write_buffer.budget_bytes`, `write_buffer.delta_cache_bytes`, `cache.chunk_bytes` and
        /// `cache.loaded_bytes`. Without it each has its own default.
        budget_bytes: Option<u64> = None, 0x0901, bytes(MIB, 64 * TIB), AtOpen;
    }
}

const fn bytes(min: u64, max: u64) -> Kind {
    multiples(min, max, 1)
}

const fn multiples(min: u64, max: u64, multiple_of: u64) -> Kind {
    Kind::Bytes { min, max, multiple_of }
}

const fn count(min: u64, max: u64) -> Kind {
    Kind::Count { min, max }
}

const fn time(min_nanos: u64, max_nanos: u64) -> Kind {
    Kind::Time { min_nanos, max_nanos }
}
