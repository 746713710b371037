//! Fuzzes the readers of logs with one record per line.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    clawgate_fuzz::read_chosen(
        &[
            ("claude", "p/s1.jsonl"),
            ("claude", "p/s1/subagents/agent-a1.jsonl"),
            ("codex", "rollout-2026-11-20T16-14-54-01a1f9bd-4a97-7050-95bd-b178b09f500a.jsonl"),
            ("openclaw", "main/sessions/a.jsonl"),
            ("pi", "--w--/t_a.jsonl"),
            ("gemini", "tmp/p/chats/session-2026-11-20T16-25-c895cd1f.jsonl"),
            ("qwen", "p/chats/a.jsonl"),
            ("kimi", "sessions/h/s/wire.jsonl"),
            ("kimi-code", "sessions/w/s/agents/main/wire.jsonl"),
            ("copilot", "s/events.jsonl"),
            ("droid", "sessions/w/s1.jsonl"),
            ("goose", "20250901_1.jsonl"),
            ("custom", "rows.jsonl"),
        ],
        data,
    );
});
