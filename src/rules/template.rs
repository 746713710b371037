//! Examples of rules are templates, so that no key-shaped literal is ever committed: `{alnum:36}`, `{hex:32}`,
//! `{luhn:16}` … are filled from a seed, `«…»` marks what must be found. The tests and the self-test fill them.

/// A filled-in example: the text and the span that the rule must find, if one is marked.
pub(crate) struct Filled {
    pub text: String,
    pub span: Option<(usize, usize)>,
}

struct Dice(u64);

impl Dice {
    fn new(seed: &str) -> Dice {
        let mut h = 0xcbf2_9ce4_8422_2325u64;
        for b in seed.bytes() {
            h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        }
        Dice(h)
    }

    fn next(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn of(&mut self, alphabet: &str, n: usize) -> String {
        let a: Vec<char> = alphabet.chars().collect();
        (0..n).map(|_| a[self.next(a.len())]).collect()
    }
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGIT: &str = "0123456789";
const WORDS: &[&str] = &[
    "able", "abandon", "absorb", "bronze", "candy", "dwarf", "fossil", "gallery", "hybrid", "jungle",
    "kitten", "lemon", "mimic", "novel",
];

fn make(what: &str, arg: &str, dice: &mut Dice) -> String {
    let n: usize = arg.parse().unwrap_or(0);
    let alnum = format!("{LOWER}{UPPER}{DIGIT}");
    match what {
        "alnum" => dice.of(&alnum, n),
        "alpha" => dice.of(&format!("{LOWER}{UPPER}"), n),
        "wd" => {
            // never ends in a mark: a word border must follow
            let body = dice.of(&format!("{alnum}_-"), n.saturating_sub(1));
            body + &dice.of(DIGIT, 1)
        }
        "hex" => dice.of("0123456789abcdef", n),
        "b64" => dice.of(&format!("{alnum}+/"), n),
        "b58" => dice.of("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", n),
        "bech" => dice.of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", n),
        "nsec" => dice.of("qpzry9x8gf2tvdw0s3jn54khce6mua7l", n),
        "digit" => dice.of("123456789", n),
        "lower" => dice.of(LOWER, n),
        "upper" => dice.of(UPPER, n),
        "lower36" => dice.of(&format!("{LOWER}{DIGIT}"), n),
        "upper32" => dice.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", n),
        "snowflake" => data_encoding::BASE64.encode(format!("8{}", dice.of(DIGIT, 17)).as_bytes()),
        "a22" => "A".repeat(22),
        "words" => (0..n).map(|_| WORDS[dice.next(WORDS.len())]).collect::<Vec<_>>().join(" "),
        "uuid" => [8, 4, 4, 4, 12].map(|n| dice.of("0123456789abcdef", n)).join("-"),
        "ghp" => {
            let body = dice.of(&alnum, 30);
            format!("ghp_{body}{}", crc_base62(body.as_bytes()))
        }
        "basic" => data_encoding::BASE64.encode(format!("deploy:{}", dice.of(&alnum, 14)).as_bytes()),
        "jwt" => {
            let head = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
            let body = data_encoding::BASE64URL_NOPAD
                .encode(format!(r#"{{"sub":"{}"}}"#, dice.of(DIGIT, 9)).as_bytes());
            format!("{head}.{body}.{}", dice.of(&alnum, 43))
        }
        "luhn" => {
            let mut d = format!("4{}", dice.of(DIGIT, n - 2));
            let check = (0..10).find(|c| super::validate::luhn(format!("{d}{c}").as_bytes())).unwrap_or(0);
            d.push_str(&check.to_string());
            d
        }
        "iban" => {
            let body = dice.of("123456789", 18);
            (2..99)
                .map(|c| format!("{arg}{c:02}{body}"))
                .find(|i| super::validate::iban(i.as_bytes()))
                .unwrap_or_default()
        }
        // the tests see that no template is unknown
        other => format!("{{{other}}}"),
    }
}

/// GitHub's checksum: CRC32 of the body in base 62, six places.
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

/// Fills a template; the seed makes it the same every time.
pub(crate) fn fill(template: &str, seed: &str) -> Filled {
    let mut dice = Dice::new(seed);
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
                text.push_str(&make(what, arg, &mut dice));
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
        assert_eq!(Engine::builtin().unwrap().check_patterns(), Vec::<String>::new());
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
    fn ids_are_unique_and_many() {
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
