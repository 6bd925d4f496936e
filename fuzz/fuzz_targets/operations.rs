#![no_main]

// The budgets of an index, whatever the input.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    hestiastore_fuzz::run_within(hestiastore::fuzzing::operations, data, 64, 32 << 20);
});
