#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hestiastore_fuzz::run(hestiastore::fuzzing::sparse, data));
