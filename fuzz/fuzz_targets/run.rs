#![no_main]

// LZ4 unfolds a byte to up to 255.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    hestiastore_fuzz::run_within(hestiastore::fuzzing::run, data, 1024, 1 << 20);
});
