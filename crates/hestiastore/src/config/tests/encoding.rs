use std::time::Duration;

use proptest::prelude::*;

use super::changed;
use crate::Error;
use crate::config::groups::KNOBS;
use crate::config::knob::Kind;
use crate::config::{Config, ConfigPatch, Durability, LogIo};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tag, length and content of every field.
#[test]
fn f1_encoding_is_fixed_to_the_byte() {
    let golden = concat!(
        "0101 00000008 0000000008000000\n",
        "0102 00000008 00000000000f4240\n",
        "0201 00000008 0000000010000000\n",
        "0202 00000008 0000000000000008\n",
        "0203 00000008 000000000000001e\n",
        "0301 00000008 0000000000000200\n",
        "0302 00000008 0000000000010000\n",
        "8303 0000001f 6d616769632d6e756d6265722c63726333322c706173732d7468726f756768\n",
        "0401 00000001 00\n",
        "0402 00000008 3f50624dd2f1a9fc\n",
        "0403 00000008 0000000000100000\n",
        "0404 00000008 0000000000000007\n",
        "0501 00000008 0000000000002000\n",
        "0502 00000008 0000000000010000\n",
        "0601 00000008 0000000000000000\n",
        "0602 00000008 0000000000000003\n",
        "0603 00000008 0000000040000000\n",
        "0701 00000008 0000000000000004\n",
        "0702 00000001 00\n",
        "0703 00000008 0000000001000000\n",
        "0704 00000008 000274a48a780000\n",
        "0705 00000008 000000012a05f200\n",
        "0706 00000008 0000000004000000\n",
        "0707 00000008 00000000001e8480\n",
        "8801 0000000a 67726f75702d73796e63\n",
        "0802 00000008 000000003b9aca00\n",
        "0803 00000008 000000000007a120\n",
        "0804 00000007 7772697474656e\n",
        "0805 00000008 0000000000200000\n",
        "0806 00000008 0000000002000000\n",
        "0807 00000008 0000000020000000\n",
        "0901 00000008 0000000400000000\n",
    );
    let config = Config::default().patched(&changed());
    let golden: String = golden.split_whitespace().collect();
    assert_eq!(hex(&config.encode()), golden);
}

#[test]
fn f1_example_of_the_document() {
    let document = include_str!("../../../../../docs/format/config.md");
    let (_, example) = document.rsplit_once("## Example").unwrap();
    let hex = example.split("```").nth(1).unwrap();
    let digits: String = hex.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();

    let mut expected = Config::default();
    expected.write_buffer.budget_bytes = 128 << 20;
    expected.log.durability = Durability::Sync;
    assert_eq!(Config::decode(&bytes).unwrap(), expected);
}

#[test]
fn f1_unknown_fields_are_skipped_unless_critical() {
    let config = Config::default().patched(&changed());
    let with_field = |tag: u16| {
        let mut bytes = tag.to_be_bytes().to_vec();
        bytes.extend_from_slice(&[0, 0, 0, 3, 1, 2, 3]);
        bytes.extend_from_slice(&config.encode());
        Config::decode(&bytes)
    };
    assert_eq!(with_field(0x0f01).unwrap(), config);
    assert!(matches!(with_field(0x8f01), Err(Error::Unsupported { .. })));
}

#[test]
fn f1_unknown_words_are_unsupported() {
    let mut bytes = 0x8801u16.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 5]);
    bytes.extend_from_slice(b"quasi");
    let error = Config::decode(&bytes).unwrap_err();
    assert!(error.to_string().contains("log.durability is \"quasi\""), "{error}");
}

#[test]
fn missing_fields_have_their_default() {
    assert_eq!(Config::decode(&[]).unwrap(), Config::default());
}

#[test]
fn damaged_fields_are_named_with_their_offset() {
    let mut twice = Config::default().encode();
    let offset = twice.len() as u64;
    twice.extend_from_within(..14);
    let short_number = [0x01, 0x01, 0, 0, 0, 1, 7];
    let bad_switch = [0x04, 0x01, 0, 0, 0, 1, 2];
    let forged_length = [0x01, 0x01, 0xff, 0xff, 0xff, 0xff, 7];
    for (bytes, at) in [(&twice[..], offset), (&short_number, 0), (&bad_switch, 0), (&forged_length, 0)] {
        match Config::decode(bytes) {
            Err(Error::Corruption { offset, .. }) => assert_eq!(offset, at),
            other => panic!("{other:?}"),
        }
    }
}

/// The format document shows the table as it is.
#[test]
fn document_lists_every_knob() {
    let document = include_str!("../../../../../docs/format/config.md");
    for (knob, info) in KNOBS.iter().zip(Config::default().knobs()) {
        let content = match knob.kind {
            Kind::Bytes { .. } | Kind::Count { .. } => "number",
            Kind::Time { .. } => "nanoseconds",
            Kind::Rate => "rate",
            Kind::Switch => "switch",
            Kind::Choice(_) | Kind::Filters => "text",
        };
        let row = format!(
            "| `{:04x}` | `{}` | {content} | {} | {} | {} |",
            knob.tag, knob.name, info.default, info.allowed, info.reopen
        );
        assert!(document.contains(&row), "missing:\n{row}");
    }
}

prop_compose! {
    fn any_config()(
        numbers in proptest::collection::vec((any::<u64>(), 0..64u32), 10),
        counts in proptest::collection::vec(any::<u32>(), 4),
        optional in any::<(Option<u64>, Option<u32>, Option<u32>, Option<u64>)>(),
        switches in any::<(bool, bool)>(),
        rate in prop_oneof![0.0..1.0, -1e300..1e300],
        times in any::<(u64, u64)>(),
        choices in (0..4usize, 0..2usize),
        filters in proptest::collection::vec("\\PC{0,12}", 0..5),
    ) -> Config {
        let numbers: Vec<u64> = numbers.iter().map(|(number, shift)| number >> shift).collect();
        let mut config = Config::default();
        config.write_buffer.budget_bytes = numbers[0];
        config.write_buffer.delta_cache_bytes = numbers[1];
        config.segment.target_bytes = numbers[2];
        config.segment.delta_fan_in = counts[0];
        config.segment.main_merge_percent = counts[1];
        config.chunk.max_keys = counts[2];
        config.chunk.max_bytes = numbers[3];
        config.chunk.filters = filters.iter().collect();
        config.bloom.enabled = switches.0;
        config.bloom.false_positive_rate = rate;
        config.bloom.size_bytes = optional.0;
        config.bloom.hashes = optional.1;
        config.io.block_bytes = numbers[4];
        config.io.buffer_bytes = numbers[5];
        config.cache.chunk_bytes = numbers[6];
        config.cache.segments = optional.2;
        config.cache.loaded_bytes = numbers[7];
        config.maintenance.threads = counts[3];
        config.maintenance.automatic = switches.1;
        config.log.durability = Durability::ALL[choices.0];
        config.log.sync_interval = Duration::from_nanos(times.0);
        config.log.group_delay = Duration::from_nanos(times.1);
        config.log.io = LogIo::ALL[choices.1];
        config.log.first_file_bytes = numbers[8];
        config.log.max_file_bytes = numbers[9];
        config.log.limit_bytes = optional.3;
        config
    }
}

proptest! {
    #[test]
    fn encoding_round_trips(config in any_config()) {
        prop_assert_eq!(Config::decode(&config.encode()).unwrap(), config);
    }

    #[test]
    fn valid_values_round_trip_as_text(config in any_config()) {
        for knob in KNOBS {
            let value = (knob.get)(&config);
            if knob.problems(&value).is_empty() {
                prop_assert_eq!(knob.parse(&knob.show(&value)).unwrap(), value);
            }
        }
    }

    #[test]
    fn decoding_and_validating_never_panics(
        config in any_config(),
        noise in proptest::collection::vec(any::<u8>(), 0..64),
        at in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let _ = Config::decode(&noise);
        let _ = config.validate();
        let _ = (config.memory_estimate_bytes(), config.log_limit_bytes());
        let mut bytes = config.encode();
        let at = at.index(bytes.len());
        let end = (at + noise.len()).min(bytes.len());
        bytes.splice(at..end, noise);
        bytes.truncate(cut.index(bytes.len() + 1));
        let _ = Config::decode(&bytes);
    }

    #[test]
    fn setting_any_text_never_panics(name in "\\PC{0,20}", value in "\\PC{0,20}", at in 0..KNOBS.len()) {
        let mut patch = ConfigPatch::default();
        let _ = patch.set(&name, &value);
        let _ = patch.set(KNOBS[at].name, &value);
    }
}
