//! Measures how fast transcripts are scanned and redacted: `cargo bench --bench redact`.

use std::hint::black_box;

use clawgate::redact::Redactor;
use clawgate::rules::{Classes, Engine};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Makes a text like a transcript: code, logs, paths and JSON. After every 60 lines comes a token.
fn transcript(bytes: usize) -> String {
    let lines = [
        "    pub fn parse_token(&mut self, key: &str) -> Result<Token, ParseError> {",
        "     1→import { useState } from 'react';\n     2→export const secretSauce = () => key.value;",
        "warning: unused variable: `password_hash` --> src/auth/session.rs:120:9",
        "{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_01bq9kRfHnnd4SIoH74Ni4Im\",\"content\":\"ok\"}",
        "commit 5737ad0a2b514f98b18f00da13a4e59370fe085d (HEAD -> main, origin/main)",
        "2026-03-16T10:57:00.123Z INFO server: GET /api/v1/users?page=2&limit=50 200 12ms",
        "The function walks the tree, collects every author, and returns the list in order.",
        "  \"integrity\": \"sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg==\",",
        "cd src/components && npm run build -- --mode production",
        "assert_eq!(map.get(\"key\"), Some(&3)); // primary_key must not be null",
    ];
    let mut out = String::with_capacity(bytes + 200);
    let mut n = 0usize;
    while out.len() < bytes {
        out.push_str(lines[n * 7 % lines.len()]);
        out.push('\n');
        if n % 60 == 59 {
            let body: String =
                (0..36).map(|i| char::from(b'a' + ((n * 31 + i * i * 7) % 26) as u8)).collect();
            out.push_str(&["GITHUB_TOKEN=gh", "p_", &body, "\n"].concat());
        }
        n += 1;
    }
    out
}

fn scan(c: &mut Criterion) {
    let Ok(engine) = Engine::builtin() else { return };
    let text = transcript(8 << 20);
    let mut group = c.benchmark_group("redact");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("scan secrets", |b| b.iter(|| black_box(engine.scan(&text, Classes::SECRET).len())));
    group.bench_function("scan everything", |b| b.iter(|| black_box(engine.scan(&text, Classes::ALL).len())));
    group.bench_function("redact 4 KB records", |b| {
        b.iter(|| {
            let mut n = 0;
            for chunk in text.as_bytes().chunks(4096) {
                let chunk = String::from_utf8_lossy(chunk);
                n += Redactor::new(engine, Default::default(), [1; 32]).redact_text(&chunk).spans.len();
            }
            black_box(n)
        });
    });
    group.finish();
}

criterion_group!(benches, scan);
criterion_main!(benches);
