mod encoding;

use std::collections::HashSet;
use std::time::Duration;

use super::groups::KNOBS;
use super::knob::Kind;
use super::value::Value;
use super::*;
use crate::{Error, Result};

/// Every knob with a value that is not its default.
const CHANGED: [(&str, &str); 32] = [
    ("write_buffer.budget_bytes", "128MiB"),
    ("write_buffer.delta_cache_bytes", "1_000_000"),
    ("segment.target_bytes", "256MiB"),
    ("segment.delta_fan_in", "8"),
    ("segment.main_merge_percent", "30"),
    ("chunk.max_keys", "512"),
    ("chunk.max_bytes", "64KiB"),
    ("chunk.filters", "magic-number,crc32,pass-through"),
    ("bloom.enabled", "false"),
    ("bloom.false_positive_rate", "0.001"),
    ("bloom.size_bytes", "1MiB"),
    ("bloom.hashes", "7"),
    ("io.block_bytes", "8KiB"),
    ("io.buffer_bytes", "64KiB"),
    ("cache.chunk_bytes", "0"),
    ("cache.segments", "3"),
    ("cache.loaded_bytes", "1GiB"),
    ("maintenance.threads", "4"),
    ("maintenance.automatic", "false"),
    ("maintenance.scrub_bytes_per_second", "16MiB"),
    ("maintenance.scrub_interval", "192h"),
    ("maintenance.idle_after", "5s"),
    ("maintenance.rate_bytes_per_second", "64MiB"),
    ("maintenance.latency_target", "2ms"),
    ("log.durability", "group-sync"),
    ("log.sync_interval", "1s"),
    ("log.group_delay", "500us"),
    ("log.io", "written"),
    ("log.first_file_bytes", "2MiB"),
    ("log.max_file_bytes", "32MiB"),
    ("log.limit_bytes", "512MiB"),
    ("memory.budget_bytes", "16GiB"),
];

fn changed() -> ConfigPatch {
    let mut patch = ConfigPatch::default();
    for (name, value) in CHANGED {
        patch.set(name, value).unwrap();
    }
    patch
}

fn problems(result: Result<impl Sized>) -> Vec<String> {
    match result {
        Err(Error::InvalidConfig { problems }) => problems,
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

fn problems_of(change: impl FnOnce(&mut Config)) -> Vec<String> {
    let mut config = Config::default();
    change(&mut config);
    problems(config.validate())
}

#[test]
fn table_has_unique_names_and_tags_and_valid_defaults() {
    let names: HashSet<_> = KNOBS.iter().map(|knob| knob.name).collect();
    let tags: HashSet<_> = KNOBS.iter().map(|knob| knob.tag & 0x7fff).collect();
    assert_eq!((names.len(), tags.len()), (KNOBS.len(), KNOBS.len()));
    assert!(KNOBS.iter().all(|knob| knob.doc.trim().ends_with('.')));
    Config::default().validate().unwrap();
}

/// The typed fields hold all that the table allows, so that no allowed value is lost on its way.
#[test]
fn fields_hold_the_ends_of_their_range() {
    for knob in KNOBS {
        let ends = match knob.kind {
            Kind::Bytes { min, max, .. } | Kind::Count { min, max } => [min, max].map(Value::Number),
            Kind::Time { min_nanos, max_nanos } => [min_nanos, max_nanos].map(Value::Nanos),
            _ => continue,
        };
        for end in ends {
            assert!(knob.problems(&end).is_empty(), "{}", knob.name);
            let mut config = Config::default();
            assert!((knob.set)(&mut config, &end), "{}", knob.name);
            assert_eq!((knob.get)(&config), end, "{}", knob.name);
        }
    }
}

#[test]
fn every_knob_is_set_by_name_and_shown_as_it_was_set() {
    let config = Config::default().patched(&changed());
    let shown: Vec<_> = config.knobs().map(|knob| (knob.name, knob.value)).collect();
    assert_eq!(shown.len(), CHANGED.len());
    for ((name, value), (expected_name, expected)) in shown.iter().zip(CHANGED) {
        let expected = if expected == "1_000_000" { "1000000" } else { expected };
        assert_eq!((*name, value.as_str()), (expected_name, expected));
    }
    for knob in config.knobs() {
        assert_ne!(knob.value, knob.default, "{}", knob.name);
        let mut back = ConfigPatch::default();
        back.set(knob.name, &knob.default).unwrap();
        let restored = config.patched(&back);
        let mut knobs = restored.knobs();
        assert_eq!(knobs.find(|now| now.name == knob.name).unwrap().value, knob.default);
    }
}

#[test]
fn every_group_method_sets_the_knob_of_its_name() {
    let by_methods = ConfigPatch::default()
        .write_buffer(|w| w.budget_bytes(128 << 20).delta_cache_bytes(1_000_000))
        .segment(|s| s.target_bytes(256 << 20).delta_fan_in(8).main_merge_percent(30))
        .chunk(|c| {
            c.max_keys(512).max_bytes(64 << 10).filters(["magic-number", "crc32", "pass-through"].into())
        })
        .bloom(|b| b.enabled(false).false_positive_rate(0.001).size_bytes(Some(1 << 20)).hashes(Some(7)))
        .io(|i| i.block_bytes(8 << 10).buffer_bytes(64 << 10))
        .cache(|c| c.chunk_bytes(0).segments(Some(3)).loaded_bytes(1 << 30))
        .maintenance(|m| {
            m.threads(4)
                .automatic(false)
                .scrub_bytes_per_second(16 << 20)
                .scrub_interval(Duration::from_secs(192 * 3_600))
                .idle_after(Duration::from_secs(5))
                .rate_bytes_per_second(64 << 20)
                .latency_target(Some(Duration::from_millis(2)))
        })
        .log(|l| {
            l.durability(Durability::GroupSync)
                .sync_interval(Duration::from_secs(1))
                .group_delay(Duration::from_micros(500))
                .io(LogIo::Written)
                .first_file_bytes(2 << 20)
                .max_file_bytes(32 << 20)
                .limit_bytes(Some(512 << 20))
        })
        .memory(|m| m.budget_bytes(Some(16 << 30)));
    assert_eq!(by_methods, changed());
}

#[test]
fn setting_again_replaces_and_auto_gives_back() {
    let mut patch = ConfigPatch::default();
    patch.set("bloom.hashes", "3").unwrap();
    patch.set("maintenance.threads", "3").unwrap();
    patch.set("bloom.hashes", "auto").unwrap();
    assert_eq!(patch.to_string(), "maintenance.threads=3 bloom.hashes=auto");
    let config = Config::default().patched(&patch);
    assert_eq!((config.bloom.hashes, config.maintenance.threads), (None, 3));
}

#[test]
fn refused_texts_say_what_is_allowed_and_change_nothing() {
    for (name, value, expected) in [
        ("log.sync_interval", "100", "log.sync_interval must be 1ms to 1h (as in 100ms or 5us), not \"100\""),
        (
            "io.block_bytes",
            "5000",
            "io.block_bytes must be 4KiB to 1MiB, a multiple of 4KiB (as in 64MiB, 4KiB or 1_000_000), not 5000",
        ),
        ("cache.segments", "2", "cache.segments must be auto, or 3 to 1000000, not 2"),
        ("maintenance.threads", "auto", "maintenance.threads must be 1 to 64, not \"auto\""),
        ("bloom.enabled", "yes", "bloom.enabled must be true or false, not \"yes\""),
        (
            "bloom.false_positive_rate",
            "nan",
            "bloom.false_positive_rate must be more than 0 and less than 1, not NaN",
        ),
        ("log.durability", "safe", "log.durability must be off, buffered, group-sync or sync, not safe"),
        ("io.blocks", "1", "io.blocks is not a setting; this group has io.block_bytes, io.buffer_bytes"),
        (
            "block_bytes",
            "1",
            "block_bytes is not a setting; the groups are write_buffer, segment, chunk, bloom, io, \
             cache, maintenance, log, memory",
        ),
    ] {
        let mut patch = ConfigPatch::default();
        assert_eq!(problems(patch.set(name, value)), [expected]);
        assert!(patch.is_empty());
    }
}

#[test]
fn filters_are_checked_by_name_and_order() {
    let refused = |filters: &str| {
        let mut patch = ConfigPatch::default();
        problems(patch.set("chunk.filters", filters)).join("\n")
    };
    assert_eq!(refused("magic-number, crc32, lz4"), "");
    assert_eq!(refused("magic-number,crc32"), "");
    for headless in ["", "lz4", "crc32,magic-number", "magic-number,lz4,crc32"] {
        assert!(refused(headless).contains("must begin with magic-number,crc32"), "{headless}");
    }
    for absent in ["snappy", "zstd", "aes-256-gcm", "xor"] {
        let said = refused(&format!("magic-number,crc32,{absent}"));
        assert!(said.starts_with("chunk.filters "), "{said}");
        assert!(said.ends_with(&format!("{absent} is not available in this version")), "{said}");
    }
    assert!(refused("magic-number,crc32,brotli").ends_with("\"brotli\" is not known"));
    assert!(refused("magic-number,crc32,lz4,lz4").contains("lz4 is there again"));
}

#[test]
fn validation_reports_all_problems_each_with_its_knob() {
    let found = problems_of(|config| {
        config.write_buffer.budget_bytes = 1 << 30;
        config.chunk.max_bytes = 1 << 20;
        config.segment.target_bytes = 1 << 20;
        config.bloom.false_positive_rate = 1.0;
        config.bloom.hashes = Some(31);
        config.log.first_file_bytes = 128 << 20;
        config.log.limit_bytes = Some(1 << 27);
        config.log.group_delay = Duration::from_millis(6);
    });
    let named: Vec<_> = found.iter().map(|text| text.split(' ').next().unwrap()).collect();
    let expected = [
        "bloom.false_positive_rate",
        "bloom.hashes",
        "log.group_delay",
        "chunk.max_bytes",
        "bloom.hashes",
        "log.max_file_bytes",
        "log.limit_bytes",
        "log.limit_bytes",
    ];
    assert_eq!(named, expected, "{found:#?}");
}

#[test]
fn rules_hold_at_their_edge_and_break_one_beyond() {
    let buffers = Config::default().write_buffer.budget_bytes;
    let limit = |bytes| problems_of(|config| config.log.limit_bytes = Some(bytes));
    assert!(limit(3 * buffers).is_empty());
    assert_eq!(
        limit(3 * buffers - 1),
        ["log.limit_bytes must be at least three times write_buffer.budget_bytes, that is 192MiB, \
          not 201326591"]
    );
    let chunk = |target| {
        problems_of(|config| {
            config.segment.target_bytes = target;
        })
    };
    assert!(chunk(64 << 10).is_empty());
    assert_eq!(chunk((64 << 10) - 1).len(), 1);
    assert!(problems_of(|config| config.log.max_file_bytes = 1 << 20).is_empty());
    assert_eq!(problems_of(|config| config.log.max_file_bytes = (1 << 20) - 1).len(), 1);
    let by_hand = |size_bytes| {
        problems_of(|config| (config.bloom.size_bytes, config.bloom.hashes) = (size_bytes, Some(3)))
    };
    assert!(by_hand(Some(4096)).is_empty());
    assert_eq!(by_hand(None).len(), 1);
}

#[test]
fn log_limit_follows_the_write_buffers_unless_given() {
    let mut config = Config::default();
    assert_eq!(config.log_limit_bytes(), 256 << 20);
    config.write_buffer.budget_bytes = 64 << 10;
    assert_eq!(config.log_limit_bytes(), 2 << 20);
    config.log.limit_bytes = Some(5 << 20);
    assert_eq!(config.log_limit_bytes(), 5 << 20);
}

#[test]
fn opening_keeps_what_the_patch_does_not_name() {
    let mut stored = Config::default().patched(&changed());
    stored.log.io = LogIo::Mapped;
    assert_eq!(merge_at_open(&stored, &ConfigPatch::default()).unwrap(), stored);
    let patch = ConfigPatch::default().io(|io| io.block_bytes(16 << 10));
    let merged = merge_at_open(&stored, &patch).unwrap();
    stored.io.block_bytes = 16 << 10;
    assert_eq!(merged, stored);
}

#[test]
fn opening_refuses_to_add_or_remove_encryption() {
    let plain = Config::default();
    let mut secret = Config::default();
    secret.chunk.filters = ["magic-number", "crc32", "lz4", "aes-256-gcm"].into();
    for (stored, asked) in [(&plain, &secret), (&secret, &plain)] {
        let filters = asked.chunk.filters.clone();
        let patch = ConfigPatch::default().chunk(|chunk| chunk.filters(filters));
        let found = problems(merge_at_open(stored, &patch));
        assert_eq!(
            found,
            [format!(
                "chunk.filters cannot change after creation from {} to {}: encryption can neither be \
                 added nor removed",
                stored.chunk.filters, asked.chunk.filters
            )]
        );
    }
    let patch = ConfigPatch::default().chunk(|c| c.filters(["magic-number", "crc32"].into()));
    assert!(merge_at_open(&plain, &patch).is_ok());
}

#[test]
fn opening_validates_the_result() {
    let mut stored = Config::default();
    stored.log.limit_bytes = Some(256 << 20);
    let patch = ConfigPatch::default().write_buffer(|w| w.budget_bytes(128 << 20));
    assert_eq!(problems(merge_at_open(&stored, &patch)).len(), 1);
}

#[test]
fn memory_estimate_adds_up() {
    let config = Config::default();
    let estimate = config.memory_estimate();
    assert_eq!(estimate.maintenance_bytes, 2 * ((4 << 20) + 2 * (256 << 10) + (16 << 20)));
    assert_eq!(config.memory_estimate_bytes(), (64 + 32 + 64 + 256 + 8 + 24 + 41 + 1) << 20);
    assert_eq!(
        estimate.to_string(),
        "490MiB (write buffers 64MiB, delta cache 32MiB, chunk cache 64MiB, sparse indexes and Bloom \
         filters 256MiB, spare slabs 8MiB, sorted views 24MiB, maintenance 41MiB, log 1MiB)"
    );
    let mut huge = Config::default();
    (huge.cache.chunk_bytes, huge.io.buffer_bytes) = (u64::MAX, u64::MAX);
    assert_eq!(huge.memory_estimate_bytes(), u64::MAX);
}
