#![no_main]

// Lines are read through a buffer of 1 MiB.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    hestiastore_fuzz::run_within(hestia::fuzzing::load_formats, data, 64, 2 << 20);
});
