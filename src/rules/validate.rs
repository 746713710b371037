//! Checks that a value is what its shape claims: checksums, headers, public addresses.

use super::shape::{self, Mix};

/// A named check from the rule data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validator {
    Luhn,
    Iban97,
    JwtHeader,
    AwsId,
    NotPlaceholder,
    NotWordy,
    Random,
    MixedAlnum,
    HasDigit,
    NotUuid,
    BasicAuth,
    SeedWords,
    ServiceEmail,
    NhsModulus,
    PrivateHost,
    PersonName,
}

impl Validator {
    pub fn named(name: &str) -> Option<Validator> {
        Some(match name {
            "luhn" => Validator::Luhn,
            "iban97" => Validator::Iban97,
            "jwt_header" => Validator::JwtHeader,
            "aws_id" => Validator::AwsId,
            "not_placeholder" => Validator::NotPlaceholder,
            "not_wordy" => Validator::NotWordy,
            "random" => Validator::Random,
            "mixed_alnum" => Validator::MixedAlnum,
            "has_digit" => Validator::HasDigit,
            "not_uuid" => Validator::NotUuid,
            "basic_auth" => Validator::BasicAuth,
            "seed_words" => Validator::SeedWords,
            "email" => Validator::ServiceEmail,
            "nhs" => Validator::NhsModulus,
            "private_host" => Validator::PrivateHost,
            "person_name" => Validator::PersonName,
            _ => return None,
        })
    }

    /// Whether the span passes.
    pub fn holds(self, text: &[u8], start: usize, end: usize) -> bool {
        let raw = &text[start..end];
        let Ok(value) = std::str::from_utf8(raw) else { return self != Validator::NotPlaceholder };
        match self {
            Validator::Luhn => luhn(raw),
            Validator::Iban97 => iban(raw),
            Validator::JwtHeader => jwt_header(value),
            Validator::AwsId => {
                Mix::of(&raw[4..]).upper > 0 && !value.ends_with("EXAMPLE") && shape::entropy(raw) > 2.4
            }
            Validator::NotPlaceholder => !shape::is_placeholder_value(value),
            Validator::NotWordy => !shape::looks_wordy(value),
            Validator::Random => shape::looks_random(value) && !shape::is_placeholder_value(value),
            Validator::MixedAlnum => {
                let m = Mix::of(raw);
                m.digit > 0 && m.letters() > 0
            }
            Validator::HasDigit => Mix::of(raw).digit > 0,
            Validator::NotUuid => !shape::is_uuid(value),
            Validator::BasicAuth => basic_auth(value),
            Validator::SeedWords => seed_words(value),
            Validator::ServiceEmail => email(value),
            Validator::NhsModulus => nhs(raw),
            Validator::PrivateHost => !value.ends_with("example.internal") && !value.contains("example."),
            Validator::PersonName => person_name(value),
        }
    }
}

/// The digits of a value, as numbers.
fn digits(raw: &[u8]) -> impl Iterator<Item = u32> + '_ {
    raw.iter().filter(|b| b.is_ascii_digit()).map(|b| u32::from(b - b'0'))
}

/// The Luhn check over the digits of a value.
pub(crate) fn luhn(raw: &[u8]) -> bool {
    let d: Vec<u32> = digits(raw).collect();
    let sum: u32 = d
        .iter()
        .rev()
        .enumerate()
        .map(|(i, n)| {
            if i % 2 == 0 {
                *n
            } else if n * 2 > 9 {
                n * 2 - 9
            } else {
                n * 2
            }
        })
        .sum();
    d.len() >= 12 && sum % 10 == 0 && d.iter().any(|n| *n != d[0])
}

/// ISO 13616: the rearranged number is 1 modulo 97.
pub(crate) fn iban(raw: &[u8]) -> bool {
    let c: Vec<u8> =
        raw.iter().copied().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_uppercase()).collect();
    if !(15..=34).contains(&c.len())
        || !c[..2].iter().all(u8::is_ascii_uppercase)
        || !c[2..4].iter().all(u8::is_ascii_digit)
    {
        return false;
    }
    let mut rest = 0u32;
    for b in c[4..].iter().chain(&c[..4]) {
        rest = if b.is_ascii_digit() {
            (rest * 10 + u32::from(b - b'0')) % 97
        } else {
            (rest * 100 + u32::from(b - b'A') + 10) % 97
        };
    }
    rest == 1
}

fn nhs(raw: &[u8]) -> bool {
    let d: Vec<u32> = digits(raw).collect();
    if d.len() != 10 {
        return false;
    }
    let sum: u32 = d[..9].iter().zip((2..=10).rev()).map(|(n, w)| n * w).sum();
    let check = (11 - sum % 11) % 11;
    check == d[9]
}

/// The first part of a JWT is base64url JSON with an `alg`.
fn jwt_header(value: &str) -> bool {
    let head = value.split('.').next().unwrap_or_default().trim_end_matches('=');
    let Some(bytes) = lenient_base64(head) else { return false };
    bytes.starts_with(b"{")
        && (bytes.windows(5).any(|w| w == b"\"alg\"")
            || bytes.windows(5).any(|w| w == b"\"typ\"")
            || bytes.windows(5).any(|w| w == b"\"enc\""))
}

/// Base64 of `user:password`.
fn basic_auth(value: &str) -> bool {
    lenient_base64(value).is_some_and(|bytes| {
        bytes.len() >= 4
            && bytes.contains(&b':')
            && bytes.iter().filter(|b| b.is_ascii_graphic()).count() * 10 >= bytes.len() * 9
    })
}

/// Decodes either base64 alphabet, with or without padding; stray last bits are dropped.
pub(crate) fn lenient_base64(value: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len() * 3 / 4);
    let (mut acc, mut bits) = (0u32, 0u32);
    for b in value.trim_end_matches('=').bytes() {
        let v = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        acc = (acc << 6) | u32::from(v);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((acc >> bits) as u8);
            acc &= (1 << bits) - 1;
        }
    }
    Some(out)
}

fn seed_words(value: &str) -> bool {
    let words: Vec<&str> =
        value.split(|c: char| !c.is_ascii_alphabetic()).filter(|w| !w.is_empty()).collect();
    const COMMON: &[&str] = &[
        "the", "and", "of", "to", "in", "is", "for", "with", "that", "this", "are", "from", "or", "be", "as",
        "by", "not", "you", "your", "a", "an", "it", "was", "has", "if", "at",
    ];
    matches!(words.len(), 12 | 15 | 18 | 21 | 24)
        && words.iter().all(|w| (3..=8).contains(&w.len()))
        && !words.iter().any(|w| COMMON.contains(w))
}

/// An address a person or a firm reads: not of reserved names, not code, not a Git or SSH remote.
fn email(value: &str) -> bool {
    let Some((local, host)) = value.rsplit_once('@') else { return false };
    let local = local.trim().to_ascii_lowercase();
    let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
    let tld = host.rsplit('.').next().unwrap_or_default();
    const RESERVED: &[&str] = &["example", "invalid", "test", "localhost", "local", "internal", "lan"];
    const HOSTS: &[&str] = &[
        "example.com",
        "example.org",
        "example.net",
        "domain.com",
        "email.com",
        "yourdomain.com",
        "company.com",
        "mycompany.com",
        "users.noreply.github.com",
        "test.com",
        "foo.com",
        "bar.com",
        "acme.com",
        "host.com",
        "site.com",
        "your-domain.com",
        "sentry.io",
        "ingest.sentry.io",
        "anthropic.com_",
    ];
    const LOCALS: &[&str] = &[
        "git",
        "noreply",
        "no-reply",
        "do-not-reply",
        "donotreply",
        "user",
        "username",
        "your.email",
        "your-email",
        "youremail",
        "you",
        "email",
        "name",
        "foo",
        "someone",
        "somebody",
        "example",
    ];
    const CODE: &[&str] = &[
        "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "tsx", "py", "rs", "go", "json",
        "toml", "yaml", "yml", "md", "lock", "html", "service", "timer", "socket", "target", "mount",
    ];
    if RESERVED.contains(&tld) || CODE.contains(&tld) || LOCALS.contains(&local.as_str()) {
        return false;
    }
    if HOSTS.iter().any(|h| host == *h)
        || host.starts_with("example.")
        || host.contains(".example.")
        || host.contains("noreply")
    {
        return false;
    }
    tld.len() >= 2 && tld.bytes().all(|b| b.is_ascii_alphabetic())
}

/// Two to four capitalised words, none of them a word that only looks like a name.
fn person_name(value: &str) -> bool {
    const NOT: &[&str] = &[
        "the",
        "this",
        "that",
        "your",
        "github",
        "actions",
        "claude",
        "code",
        "codex",
        "anthropic",
        "openai",
        "google",
        "gemini",
        "copilot",
        "united",
        "states",
        "new",
        "york",
        "san",
        "error",
        "warning",
        "note",
        "true",
        "false",
        "none",
        "null",
        "user",
        "name",
        "test",
        "example",
        "bot",
        "dependabot",
        "renovate",
        "team",
        "inc",
        "llc",
        "ltd",
        "gmbh",
        "corp",
        "company",
        "project",
        "software",
        "foundation",
        "john doe",
        "jane doe",
        "doe",
        "street",
        "road",
        "avenue",
        "what",
        "how",
        "please",
        "server",
        "client",
        "api",
        "json",
        "http",
        "file",
        "data",
        "type",
        "not",
        "you",
        "we",
        "authors",
        "contributors",
        "license",
        "first",
        "last",
        "full",
        "unknown",
        "someone",
        "sure",
        "sorry",
        "here",
        "able",
        "going",
        "trying",
        "using",
        "working",
        "building",
        "unable",
        "glad",
        "happy",
        "also",
        "still",
        "currently",
        "now",
        "ready",
        "opus",
        "sonnet",
        "haiku",
    ];
    let words: Vec<&str> = value.split_whitespace().collect();
    (2..=4).contains(&words.len())
        && words.iter().all(|w| !NOT.contains(&w.to_lowercase().trim_matches('.')))
        && words.iter().filter(|w| w.chars().next().is_some_and(char::is_uppercase)).count() >= 2
        && words.iter().any(|w| w.chars().skip(1).any(char::is_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_hold_and_fail() {
        let card = format!("4{}", "1".repeat(15));
        assert!(luhn(card.as_bytes()));
        assert!(!luhn(card.replace("41", "42").as_bytes()));
        let iban_ok = ["DE89", "3704", "0044", "0532", "0130", "00"].join(" ");
        assert!(iban(iban_ok.as_bytes()));
        assert!(!iban(iban_ok.replace("89", "88").as_bytes()));
    }

    #[test]
    fn names_are_told_from_titles() {
        assert!(person_name("Declan Gallagher"));
        assert!(!person_name("Claude Code"));
        assert!(!person_name("working Here"));
    }
}
