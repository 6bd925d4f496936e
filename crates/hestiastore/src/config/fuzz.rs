//! The configuration under a fuzzer, as bytes and as text.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

use super::{Config, ConfigPatch, merge_at_open};

/// Bytes as a stored configuration.
pub fn binary(data: &[u8]) {
    let Ok(config) = Config::decode(data) else { return };
    // Compared as bytes, since a rate may be no number.
    let encoded = config.encode();
    assert_eq!(Config::decode(&encoded).unwrap().encode(), encoded);
    let valid = config.validate().is_ok();
    let _ =
        (config.knobs().count(), config.log_limit_bytes(), merge_at_open(&config, &ConfigPatch::default()));
    if valid {
        let _ = config.memory_estimate();
        for knob in config.knobs() {
            let mut patch = ConfigPatch::default();
            patch.set(knob.name, &knob.value).unwrap();
            assert_eq!(config.patched(&patch).encode(), encoded, "{}={}", knob.name, knob.value);
        }
    }
}

/// Lines of `group.knob=value`.
pub fn text(data: &[u8]) {
    let mut patch = ConfigPatch::default();
    for line in String::from_utf8_lossy(data).lines() {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let before = patch.clone();
        if patch.set(name, value).is_err() {
            assert_eq!(patch, before);
        }
    }
    let mut again = ConfigPatch::default();
    for (knob, value) in patch.given() {
        again.set(knob.name, &knob.show(value)).unwrap();
    }
    assert_eq!(again, patch);
    let config = Config::default().patched(&patch);
    let _ = (config.validate(), patch.to_string());
    binary(&config.encode());
}
