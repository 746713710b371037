//! Fills the example templates of the rules with generated values.
//!
//! An example contains no real-looking key, only a field such as `{alnum:36}`, `{hex:32}` or `{luhn:16}`, so that secret
//! scanners stay quiet about this repository. `«…»` marks the span that the rule must find. The tests and the self-test
//! fill the templates from a seed. To add a field, add an arm to [`field`].

use super::seeded_rng::SeededRng;

/// A filled template: the text, and the span that the rule must find if one is marked.
pub(crate) struct Filled {
    pub text: String,
    pub span: Option<(usize, usize)>,
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGIT: &str = "0123456789";
const WORDS: &[&str] = &[
    "able", "abandon", "absorb", "bronze", "candy", "dwarf", "fossil", "gallery", "hybrid", "jungle",
    "kitten", "lemon", "mimic", "novel",
];

/// Generates the value of the field `{what:arg}`.
fn field(what: &str, arg: &str, rng: &mut SeededRng) -> String {
    let n: usize = arg.parse().unwrap_or(0);
    let alnum = format!("{LOWER}{UPPER}{DIGIT}");
    match what {
        "alnum" => rng.pick(&alnum, n),
        "alpha" => rng.pick(&format!("{LOWER}{UPPER}"), n),
        "wd" => {
            // The last character is a digit, so that a word boundary follows.
            let body = rng.pick(&format!("{alnum}_-"), n.saturating_sub(1));
            body + &rng.pick(DIGIT, 1)
        }
        "hex" => rng.pick("0123456789abcdef", n),
        "b64" => rng.pick(&format!("{alnum}+/"), n),
        "b58" => rng.pick("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", n),
        "bech" => rng.pick("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", n),
        "nsec" => rng.pick("qpzry9x8gf2tvdw0s3jn54khce6mua7l", n),
        "digit" => rng.pick("123456789", n),
        "lower" => rng.pick(LOWER, n),
        "upper" => rng.pick(UPPER, n),
        "lower36" => rng.pick(&format!("{LOWER}{DIGIT}"), n),
        "upper32" => rng.pick("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", n),
        "snowflake" => data_encoding::BASE64.encode(format!("8{}", rng.pick(DIGIT, 17)).as_bytes()),
        "a22" => "A".repeat(22),
        "words" => (0..n).map(|_| WORDS[rng.below(WORDS.len())]).collect::<Vec<_>>().join(" "),
        "uuid" => [8, 4, 4, 4, 12].map(|n| rng.pick("0123456789abcdef", n)).join("-"),
        "ghp" => {
            let body = rng.pick(&alnum, 30);
            format!("ghp_{body}{}", crc_base62(body.as_bytes()))
        }
        "basic" => data_encoding::BASE64.encode(format!("deploy:{}", rng.pick(&alnum, 14)).as_bytes()),
        "jwt" => {
            let head = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
            let body = data_encoding::BASE64URL_NOPAD
                .encode(format!(r#"{{"sub":"{}"}}"#, rng.pick(DIGIT, 9)).as_bytes());
            format!("{head}.{body}.{}", rng.pick(&alnum, 43))
        }
        "luhn" => {
            let mut d = format!("4{}", rng.pick(DIGIT, n - 2));
            let check = (0..10).find(|c| super::validate::luhn(format!("{d}{c}").as_bytes())).unwrap_or(0);
            d.push_str(&check.to_string());
            d
        }
        "iban" => {
            let body = rng.pick("123456789", 18);
            (2..99)
                .map(|c| format!("{arg}{c:02}{body}"))
                .find(|i| super::validate::iban(i.as_bytes()))
                .unwrap_or_default()
        }
        // An unknown field stays as it is; the tests then fail, because the rule does not match it.
        other => format!("{{{other}}}"),
    }
}

/// Returns GitHub's token checksum: the CRC32 of the body in base 62, with six digits.
fn crc_base62(body: &[u8]) -> String {
    let mut crc = !0u32;
    for b in body {
        crc ^= u32::from(*b);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let mut n = !crc;
    let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".as_bytes();
    let mut out = [b'0'; 6];
    for slot in out.iter_mut().rev() {
        *slot = digits[(n % 62) as usize];
        n /= 62;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Fills a template; the same seed gives the same text.
pub(crate) fn fill(template: &str, seed: &str) -> Filled {
    let mut rng = SeededRng::new(seed);
    let mut text = String::new();
    let (mut start, mut end) = (None, None);
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        if c == '«' {
            start = Some(text.len());
        } else if c == '»' {
            end = Some(text.len());
        } else if c == '{' {
            let close = rest.find('}').unwrap_or(0);
            let inner = &rest[1..close.max(1)];
            let (what, arg) = inner.split_once(':').unwrap_or((inner, ""));
            let known = what.len() > 1
                && what.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                && !matches!(what, "password" | "true" | "ab")
                && (arg.len() < 4 && !arg.contains('"'));
            if known {
                text.push_str(&field(what, arg, &mut rng));
                rest = &rest[close + 1..];
                continue;
            }
            text.push(c);
        } else {
            text.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    Filled { text, span: start.zip(end) }
}

#[cfg(test)]
mod tests {
    use super::super::Engine;
    use super::fill;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(Engine::builtin().unwrap().invalid_patterns(), Vec::<String>::new());
    }

    #[test]
    fn every_example_is_found_exactly() {
        let engine = Engine::builtin().unwrap();
        let mut wrong = Vec::new();
        for spec in engine.specs() {
            assert!(!spec.examples.is_empty(), "{} has no example", spec.id);
            for (n, example) in spec.examples.iter().enumerate() {
                let filled = fill(example, &format!("{}/{n}", spec.id));
                let Some(span) = filled.span else { panic!("{}: no mark in {example}", spec.id) };
                let spans = engine.spans_of(&spec.id, &filled.text);
                if !spans.contains(&span) {
                    wrong.push(format!(
                        "{}: {example}: wanted {span:?}, found {spans:?} in {}",
                        spec.id, filled.text
                    ));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn no_counter_example_is_found() {
        let engine = Engine::builtin().unwrap();
        let mut wrong = Vec::new();
        for spec in engine.specs() {
            for (n, example) in spec.counter_examples.iter().enumerate() {
                let filled = fill(example, &format!("{}/no/{n}", spec.id));
                let spans = engine.spans_of(&spec.id, &filled.text);
                if !spans.is_empty() {
                    wrong.push(format!("{}: found {spans:?} in {}", spec.id, filled.text));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn rule_ids_are_unique() {
        let engine = Engine::builtin().unwrap();
        let mut ids: Vec<_> = engine.specs().map(|s| s.id.as_str()).collect();
        ids.sort_unstable();
        let n = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), n);
        assert!(n >= 150, "{n} rules");
        assert_eq!(engine.version().len(), 64);
    }
}
