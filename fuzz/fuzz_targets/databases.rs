//! Fuzzes the readers of SQLite databases.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    clawgate_fuzz::read_chosen(
        &[
            ("opencode", "opencode.db"),
            ("openclaw", "main/agent/openclaw-agent.sqlite"),
            ("hermes", "state.db"),
            ("crush", ".crush/crush.db"),
            ("goose", "sessions.db"),
            ("zed", "threads.db"),
            ("cursor", "globalStorage/state.vscdb"),
            ("cursor", "36e6/f1ff/store.db"),
        ],
        data,
    );
});
