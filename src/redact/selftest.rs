//! The self-test: generates a corpus from a seed, redacts it, and counts what was caught.
//!
//! The values come from the templates of the rules. So this measures what is lost in carriers (encodings, colours, line
//! numbers, prose) and how much is redacted without need. It cannot measure how well unknown kinds are found.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::rules::{Class, Engine, Example, SeededRng};

use super::{Policy, Redactor, placeholder};

/// How many of a total were caught.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub caught: u64,
    pub total: u64,
}

impl Tally {
    fn add(&mut self, caught: bool) {
        self.caught += u64::from(caught);
        self.total += 1;
    }

    /// Returns the share that was caught, from 0 to 1; 1 if the total is 0.
    pub fn share(self) -> f64 {
        if self.total == 0 { 1.0 } else { self.caught as f64 / self.total as f64 }
    }
}

/// The result of the self-test.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SelfTest {
    /// The same seed makes the same corpus.
    pub seed: String,
    pub rules_version: String,
    pub secrets: Tally,
    /// Values that are personal data.
    pub pii: Tally,
    /// Values by the carrier that they were wrapped in.
    pub by_carrier: BTreeMap<String, Tally>,
    /// Removed spans, and how many of them touch a sensitive example. The others are in a carrier or in a harmless text.
    pub precision: Tally,
    /// Bytes of the harmless texts, and how many of them were kept.
    pub harmless_bytes: Tally,
    /// Harmless texts, and how many of them were left unchanged.
    pub harmless_texts: Tally,
    /// Rules whose values were not always caught, with the carriers in which they were missed.
    pub missed: BTreeMap<String, Vec<String>>,
}

/// An example in a carrier.
struct Wrapped {
    text: String,
    /// The sensitive value, perhaps encoded.
    span: (usize, usize),
    /// The whole example around the value.
    example: (usize, usize),
    /// The text of `span`, of which nothing may survive.
    core: String,
}

type Wrap = fn(&Example) -> Wrapped;

const CARRIERS: &[(&str, Wrap)] = &[
    ("plain", |e| around("", e, "")),
    ("between lines", |e| around("$ cat notes\nthe build is green\n", e, "\nand that is all\n")),
    ("line numbers", |e| around("    41→fn main() {\n    42→", e, "\n    43→}\n")),
    ("diff", |e| around("@@ -1,2 +1,2 @@\n context\n+", e, "\n-old\n")),
    ("colours", |e| {
        let (s, t) = e.span;
        let head = format!("{}\u{1b}[32m", &e.text[..s]);
        let core = e.text[s..t].to_owned();
        let text = format!("{head}{core}\u{1b}[0m{}", &e.text[t..]);
        Wrapped { span: (head.len(), head.len() + core.len()), example: (0, text.len()), text, core }
    }),
    ("json", |e| quoted(e, 1)),
    ("json in json", |e| quoted(e, 2)),
    ("url encoded", |e| {
        let code = |t: &str| -> String {
            t.bytes()
                .map(|b| {
                    if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
                        char::from(b).to_string()
                    } else {
                        format!("%{b:02X}")
                    }
                })
                .collect()
        };
        encoded(
            "body=",
            &code(&e.text[..e.span.0]),
            &code(&e.text[e.span.0..e.span.1]),
            &code(&e.text[e.span.1..]),
        )
    }),
    ("base64", |e| encoded("data: ", "", &data_encoding::BASE64.encode(e.text.as_bytes()), "")),
    ("hex", |e| encoded("dump ", "", &data_encoding::HEXLOWER.encode(e.text.as_bytes()), "")),
];

fn around(head: &str, e: &Example, tail: &str) -> Wrapped {
    Wrapped {
        text: format!("{head}{}{tail}", e.text),
        span: (head.len() + e.span.0, head.len() + e.span.1),
        example: (head.len(), head.len() + e.text.len()),
        core: e.text[e.span.0..e.span.1].to_owned(),
    }
}

fn encoded(head: &str, before: &str, core: &str, after: &str) -> Wrapped {
    let from = head.len() + before.len();
    Wrapped {
        text: format!("{head}{before}{core}{after} end"),
        span: (from, from + core.len()),
        example: (head.len(), from + core.len() + after.len()),
        core: core.to_owned(),
    }
}

fn quoted(e: &Example, levels: usize) -> Wrapped {
    let mut parts =
        [&e.text[..e.span.0], &e.text[e.span.0..e.span.1], &e.text[e.span.1..]].map(str::to_owned);
    let (mut open, mut close) = (String::new(), String::new());
    for _ in 0..levels {
        let inside = |t: &str| {
            let json = serde_json::to_string(t).unwrap_or_default();
            json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned()
        };
        parts = parts.map(|p| inside(&p));
        open = format!("{{\"output\":\"{}", inside(&open));
        close = format!("{}\"}}", inside(&close));
    }
    let [before, core, after] = parts;
    let from = open.len() + before.len();
    Wrapped {
        text: format!("{open}{before}{core}{after}{close}"),
        span: (from, from + core.len()),
        example: (open.len(), from + core.len() + after.len()),
        core,
    }
}

/// Whether no six characters of the value are left in the redacted text, or not the whole of a shorter value.
///
/// Characters that also occur outside the value prove nothing.
fn is_gone(w: &Wrapped, redacted: &str) -> bool {
    // Placeholders do not count: the kind in `[GHP_k3f9qa]` may be the prefix of the value.
    let mut left = String::with_capacity(redacted.len());
    let mut at = 0;
    for (s, e) in placeholder::find(redacted) {
        left.push_str(&redacted[at..s]);
        left.push('\u{1}');
        at = e;
    }
    left.push_str(&redacted[at..]);
    let chars: Vec<char> = w.core.chars().collect();
    let outside = format!("{}\u{1}{}", &w.text[..w.span.0], &w.text[w.span.1..]);
    let n = chars.len().min(6);
    chars.windows(n.max(1)).all(|gram| {
        let gram: String = gram.iter().collect();
        !left.contains(&gram) || outside.contains(&gram)
    })
}

fn hex(rng: &mut SeededRng, n: usize) -> String {
    rng.pick("0123456789abcdef", n)
}

fn base64(rng: &mut SeededRng, n: usize) -> String {
    let bytes: Vec<u8> = (0..n).map(|_| rng.next_u64() as u8).collect();
    data_encoding::BASE64.encode(&bytes)
}

/// Makes texts that look sensitive and are harmless: hashes, checksums, placeholders, versions, times.
fn harmless(rng: &mut SeededRng) -> Vec<String> {
    let (a, b, c) = (hex(rng, 40), hex(rng, 8), hex(rng, 12));
    let (n, m) = (rng.next_u64() % 90 + 10, rng.next_u64() % 9000 + 1000);
    let uuid = format!("{b}-{}-4{}-a{}-{c}", hex(rng, 4), hex(rng, 3), hex(rng, 3));
    vec![
        format!("commit {a} (HEAD -> main)\nDate:   Mon Nov 2 10:{n}:00 2026 +0100\n\n    fix the parser\n"),
        format!("\"integrity\": \"sha512-{}\",", base64(rng, 64)),
        format!("checksum = \"{}\"", hex(rng, 64)),
        format!("{{\"type\":\"tool_use\",\"id\":\"toolu_{}\",\"request_id\":\"{uuid}\"}}", hex(rng, 24)),
        format!("FROM alpine@sha256:{}", hex(rng, 64)),
        format!("export API_KEY=YOUR_API_KEY\npassword: ${{DB_PASSWORD}}\ntoken = \"<token>\" # line {n}"),
        format!(".btn-{b} {{ color: #{}; margin: {n}px {m}px; }}", hex(rng, 6)),
        format!("let token = self.tokens.get({n}).unwrap_or(&default_token); // max_tokens: {m}"),
        format!("src/components/{b}/index.tsx:{n}:{m}: error TS2304: Cannot find name 'Password'."),
        format!(
            "2026-11-0{}T10:{n}:00.{m}Z INFO served GET /api/v1/users?page={n} in {m} ms",
            rng.next_u64() % 9 + 1
        ),
        format!("mail alice@example.com or see https://docs.python.org/3/library/re.html#{b}"),
        format!("version 1.{n}.{m}, build {m}, pid {m}, port 80{n}, {n} passed, {m} skipped"),
        format!("serde = {{ version = \"1.0.{n}\", features = [\"derive\"] }}\nrev = \"{}\"", hex(rng, 40)),
        format!(
            "assert_eq!(key_of(&map, \"primary_key\"), Some({n}));\nif password == confirm_password {{ return {m}; }}"
        ),
    ]
}

/// Makes `rounds` values for every example, wraps each in every carrier, redacts them and counts.
///
/// `cancelled` is called before each round.
pub fn selftest(engine: &Engine, seed: &str, rounds: u64, cancelled: &dyn Fn() -> bool) -> SelfTest {
    let mut out =
        SelfTest { seed: seed.to_owned(), rules_version: engine.version().to_owned(), ..SelfTest::default() };
    let redact = |text: &str| Redactor::new(engine, Policy::default(), [0; 32]).redact_text(text);
    let mut rng = SeededRng::new(seed);
    for round in 0..rounds {
        if cancelled() {
            break;
        }
        for e in engine.examples(&format!("{seed}/{round}")).iter().filter(|e| e.class != Class::Entity) {
            for (carrier, wrap) in CARRIERS {
                let w = wrap(e);
                let done = redact(&w.text);
                let caught = is_gone(&w, &done.text);
                let tally = if e.class == Class::Secret { &mut out.secrets } else { &mut out.pii };
                tally.add(caught);
                out.by_carrier.entry((*carrier).to_owned()).or_default().add(caught);
                if !caught {
                    let at = out.missed.entry(e.rule.to_string()).or_default();
                    if !at.iter().any(|c| c == carrier) {
                        at.push((*carrier).to_owned());
                    }
                }
                for span in &done.spans {
                    out.precision.add(span.start < w.example.1 && w.example.0 < span.end);
                }
            }
        }
        for text in harmless(&mut rng) {
            let done = redact(&text);
            let removed: u64 = done.spans.iter().map(|s| (s.end - s.start) as u64).sum();
            out.harmless_bytes.total += text.len() as u64;
            out.harmless_bytes.caught += text.len() as u64 - removed;
            out.harmless_texts.add(done.spans.is_empty());
            done.spans.iter().for_each(|_| out.precision.add(false));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_figures_and_a_value_that_survives_counts() {
        let engine = Engine::builtin().unwrap();
        let a = selftest(engine, "a", 1, &|| false);
        let b = selftest(engine, "a", 1, &|| false);
        assert_eq!(serde_json::to_string(&a).unwrap(), serde_json::to_string(&b).unwrap());
        assert!(a.secrets.total > 1000 && a.pii.total > 200, "{a:?}");
        assert!(a.secrets.share() > 0.98, "{:?} {:?}", a.secrets, a.missed);
        assert!(a.pii.share() > 0.95, "{:?} {:?}", a.pii, a.missed);
        assert!(a.harmless_texts.share() > 0.95, "{:?}", a.harmless_texts);
        let e = &engine.examples("x")[0];
        let w = around("a ", e, " b");
        assert!(!is_gone(&w, &w.text) && is_gone(&w, "a [X] b"));
    }
}
