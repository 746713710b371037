//! Fuzzes the rule engine: findings must be inside the text and on character boundaries.
#![no_main]

use clawgate::rules::{Classes, Engine};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let engine = Engine::builtin().expect("the built-in rules load");
    for f in engine.scan(&text, Classes::ALL) {
        assert!(f.start < f.end && text.get(f.start..f.end).is_some());
    }
});
