#![no_main]

// Without a limit of memory: the directory is in it.
libfuzzer_sys::fuzz_target!(|data: &[u8]| hestiastore::fuzzing::operations(data));
