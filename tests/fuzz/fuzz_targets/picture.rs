#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (inkgrad_tests::fuzz::target("picture").read)(bytes));
