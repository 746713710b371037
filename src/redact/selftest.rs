//! A corpus made from a seed at this moment, redacted and scored: a number that the user can see for himself.
//!
//! KnownValues are made by the rules' own templates, so this measures what the carriers (encodings, colours, line numbers,
//! prose) cost, and what is redacted for nothing; how well unknown kinds are found it cannot say.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::rules::{Class, Engine, Example};

use super::{Policy, Redactor, placeholder};

/// How many there were, and how many were caught.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Caught.
    pub caught: u64,
    /// In all.
    pub total: u64,
}

impl Tally {
    fn add(&mut self, caught: bool) {
        self.caught += u64::from(caught);
        self.total += 1;
    }

    /// The share, 1 where there were none.
    pub fn share(self) -> f64 {
        if self.total == 0 { 1.0 } else { self.caught as f64 / self.total as f64 }
    }
}

/// What came out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SelfTest {
    /// The seed: the same seed makes the same corpus.
    pub seed: String,
    /// Version of the rules.
    pub rules_version: String,
    /// Secrets.
    pub secrets: Tally,
    /// Personal data.
    pub pii: Tally,
    /// By what the value was wrapped in.
    pub by_carrier: BTreeMap<String, Tally>,
    /// Removed stretches, and those of them that stand in a sensitive example: neither in its wrapping nor in a text that
    /// is harmless as a whole.
    pub precision: Tally,
    /// Harmless bytes in texts without anything sensitive, and those of them that were left.
    pub harmless_bytes: Tally,
    /// Texts without anything sensitive, and those of them that were left as they are.
    pub harmless_texts: Tally,
    /// Rules whose values were not always caught, with the carriers.
    pub missed: BTreeMap<String, Vec<String>>,
}

/// A wrapped text, the sensitive span in it (or its encoded form), and the pieces that must not survive.
struct Wrapped {
    text: String,
    span: (usize, usize),
    /// The whole example, with what stands around the value in it.
    example: (usize, usize),
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

/// Whether no six characters of the value (all of it, where it is shorter) are left; what also stands elsewhere in the
/// text proves nothing.
fn gone(w: &Wrapped, redacted: &str) -> bool {
    // the kind that a stand-in names may be the prefix of the value
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

/// Numbers out of the seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn hex(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(b"0123456789abcdef"[(self.next() % 16) as usize])).collect()
    }

    fn b64(&mut self, n: usize) -> String {
        let bytes: Vec<u8> = (0..n).map(|_| self.next() as u8).collect();
        data_encoding::BASE64.encode(&bytes)
    }
}

/// Texts that look like something and are nothing.
fn harmless(dice: &mut Dice) -> Vec<String> {
    let (a, b, c) = (dice.hex(40), dice.hex(8), dice.hex(12));
    let (n, m) = (dice.next() % 90 + 10, dice.next() % 9000 + 1000);
    let uuid = format!("{b}-{}-4{}-a{}-{c}", dice.hex(4), dice.hex(3), dice.hex(3));
    vec![
        format!("commit {a} (HEAD -> main)\nDate:   Mon Nov 2 10:{n}:00 2026 +0100\n\n    fix the parser\n"),
        format!("\"integrity\": \"sha512-{}\",", dice.b64(64)),
        format!("checksum = \"{}\"", dice.hex(64)),
        format!("{{\"type\":\"tool_use\",\"id\":\"toolu_{}\",\"request_id\":\"{uuid}\"}}", dice.hex(24)),
        format!("FROM alpine@sha256:{}", dice.hex(64)),
        format!("export API_KEY=YOUR_API_KEY\npassword: ${{DB_PASSWORD}}\ntoken = \"<token>\" # line {n}"),
        format!(".btn-{b} {{ color: #{}; margin: {n}px {m}px; }}", dice.hex(6)),
        format!("let token = self.tokens.get({n}).unwrap_or(&default_token); // max_tokens: {m}"),
        format!("src/components/{b}/index.tsx:{n}:{m}: error TS2304: Cannot find name 'Password'."),
        format!(
            "2026-11-0{}T10:{n}:00.{m}Z INFO served GET /api/v1/users?page={n} in {m} ms",
            dice.next() % 9 + 1
        ),
        format!("mail alice@example.com or see https://docs.python.org/3/library/re.html#{b}"),
        format!("version 1.{n}.{m}, build {m}, pid {m}, port 80{n}, {n} passed, {m} skipped"),
        format!("serde = {{ version = \"1.0.{n}\", features = [\"derive\"] }}\nrev = \"{}\"", dice.hex(40)),
        format!(
            "assert_eq!(key_of(&map, \"primary_key\"), Some({n}));\nif password == confirm_password {{ return {m}; }}"
        ),
    ]
}

/// Makes `rounds` values for every example, wraps each in every carrier, redacts and scores.
///
/// `cancelled` is asked between rounds.
pub fn selftest(engine: &Engine, seed: &str, rounds: u64, cancelled: &dyn Fn() -> bool) -> SelfTest {
    let mut out =
        SelfTest { seed: seed.to_owned(), rules_version: engine.version().to_owned(), ..SelfTest::default() };
    let redact = |text: &str| Redactor::new(engine, Policy::default(), [0; 32]).redact_text(text);
    let mut dice = Dice(
        seed.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)),
    );
    for round in 0..rounds {
        if cancelled() {
            break;
        }
        for e in engine.examples(&format!("{seed}/{round}")).iter().filter(|e| e.class != Class::Entity) {
            for (carrier, wrap) in CARRIERS {
                let w = wrap(e);
                let done = redact(&w.text);
                let caught = gone(&w, &done.text);
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
        for text in harmless(&mut dice) {
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
    fn the_same_seed_gives_the_same_figures_and_they_can_be_bad() {
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
        assert!(!gone(&w, &w.text) && gone(&w, "a [X] b"));
    }
}
