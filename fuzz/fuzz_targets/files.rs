//! Fuzzes the readers of logs that are read as a whole: one JSON document per file, Markdown and compressed rollouts.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    clawgate_fuzz::read_chosen(
        &[
            ("gemini", "tmp/p/chats/session-2026-11-20T16-25-c895cd1f.json"),
            ("cline", "sessions/s/s.messages.json"),
            ("cline", "tasks/1/ui_messages.json"),
            ("roo-code", "tasks/1/ui_messages.json"),
            ("kilo-code", "tasks/1/ui_messages.json"),
            ("continue-dev", "sessions/s1.json"),
            ("amp", "threads/T-1.json"),
            ("aider", ".aider.chat.history.md"),
            ("opencode", "storage/session/p/ses_1.json"),
            ("opencode", "project/p/storage/session/info/ses_1.json"),
            ("codex", "rollout-2026-11-20T16-14-54-01a1f9bd-4a97-7050-95bd-b178b09f500a.jsonl.zst"),
        ],
        data,
    );
});
