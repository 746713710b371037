//! Agents' SQLite databases.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    clawgate_fuzz::choose(
        &[("opencode", "opencode.db"), ("openclaw", "main/agent/openclaw-agent.sqlite")],
        data,
    );
});
