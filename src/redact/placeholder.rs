//! Typed, consistent stand-ins: `[EMAIL_k3f9qa]`, `user_k3f9qa`.

use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::PlaceholderStyle;

/// Kinds that are written without brackets, so that paths and prompts stay readable.
pub(crate) const USER: &str = "USER";

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// HMAC-SHA256 of the parts, joined by a separator that no part can fake.
pub(crate) fn keyed(key: &[u8; 32], parts: &[&str]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for p in parts {
        mac.update(&(p.len() as u64).to_be_bytes());
        mac.update(p.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

/// The value as it counts for being the same: case, blanks and separators that do not matter are gone.
pub(crate) fn normalise(kind: &str, value: &str) -> String {
    let v = value.trim();
    match kind {
        "EMAIL" => v.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase(),
        "PHONE" | "CREDIT_CARD" | "SSN" => v.chars().filter(char::is_ascii_digit).collect(),
        "IBAN" => v.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase(),
        "PERSON" | "ADDRESS" => v.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase(),
        "USER" | "HOST" | "CUSTOM" | "MAC_ADDRESS" => v.to_lowercase(),
        _ => v.to_owned(),
    }
}

/// Six characters that a kind and a value give, and the bytes for the rest.
fn tagged(key: &[u8; 32], kind: &str, value: &str) -> (String, [u8; 32]) {
    let mac = keyed(key, &["placeholder", kind, &normalise(kind, value)]);
    let bits = u64::from_be_bytes([mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], mac[6], mac[7]]);
    ((0..6).map(|i| char::from(ALPHABET[(bits >> (59 - 5 * i)) as usize & 31])).collect(), mac)
}

/// The stand-in in brackets: it is known as one wherever it stands.
pub(crate) fn typed(key: &[u8; 32], kind: &str, value: &str) -> String {
    format!("[{kind}_{}]", tagged(key, kind, value).0)
}

/// The stand-in of a value: the same for the same kind, value and key. A realistic one is only for what is a value of
/// that kind, whole and alone.
pub(crate) fn placeholder(key: &[u8; 32], kind: &str, value: &str, style: PlaceholderStyle) -> String {
    let (tag, mac) = tagged(key, kind, value);
    let v = value.trim();
    match (style, kind) {
        (_, USER) => format!("user_{tag}"),
        // RFC 2606
        (PlaceholderStyle::Realistic, "EMAIL") if is_mail(v) => format!("user-{tag}@example.com"),
        (PlaceholderStyle::Realistic, "HOST") if !v.is_empty() && v.bytes().all(host_byte) => {
            format!("host-{tag}{HOSTS}")
        }
        (PlaceholderStyle::Realistic, "IP_ADDRESS") => match v.parse::<std::net::IpAddr>() {
            // RFC 3849 and RFC 5737
            Ok(std::net::IpAddr::V6(_)) => {
                format!("{V6}{:02x}{:02x}:{:02x}{:02x}", mac[8], mac[9], mac[10], mac[11])
            }
            Ok(std::net::IpAddr::V4(_)) => {
                format!("{}{}", V4[usize::from(mac[8]) % 3], mac[9] % 254 + 1)
            }
            Err(_) => format!("[{kind}_{tag}]"),
        },
        // RFC 7042
        (PlaceholderStyle::Realistic, "MAC_ADDRESS") if hex_digits(v) == Some(12) => {
            format!("{MAC}{:02x}", mac[8])
        }
        // numbers for films and examples: the last hundred of the exchange 555 in every area
        (PlaceholderStyle::Realistic, "PHONE") if is_phone(v) => {
            format!(
                "+1-{}{}{}{PHONE}{:02}",
                mac[8] % 8 + 2,
                // no area code has a 9 in its middle or ends in 11
                mac[9] % 9,
                mac[10] % 8 + 2,
                mac[11] % 100
            )
        }
        _ => format!("[{kind}_{tag}]"),
    }
}

/// The same, to be written between two texts: in brackets where the neighbours would read as part of it.
pub(crate) fn between(
    key: &[u8; 32],
    (kind, value): (&str, &str),
    style: PlaceholderStyle,
    before: &str,
    after: &str,
) -> String {
    let with = placeholder(key, kind, value, style);
    if with.starts_with('[') {
        return with;
    }
    let span = (before.len(), before.len() + with.len());
    let seen = find_styled(&[before, &with, after].concat(), style);
    if seen.contains(&span) { with } else { typed(key, kind, value) }
}

/// Kinds whose realistic stand-ins come out of a small range.
pub(crate) fn is_scarce(kind: &str) -> bool {
    matches!(kind, "IP_ADDRESS" | "MAC_ADDRESS" | "PHONE")
}

fn is_mail(v: &str) -> bool {
    let part = |p: &str| {
        !p.is_empty()
            && p.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | '\'' | ' '))
    };
    v.split_once('@').is_some_and(|(local, host)| part(local) && part(host))
}

fn is_phone(v: &str) -> bool {
    let digits = v.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&digits)
        && v.bytes().all(|b| {
            b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'(' | b')' | b'/' | b' ' | b'\t')
        })
}

/// How many hexadecimal digits there are, if there is nothing else but what separates them.
fn hex_digits(v: &str) -> Option<usize> {
    let digits = v.bytes().filter(u8::is_ascii_hexdigit).count();
    v.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'-' | b'.')).then_some(digits)
}

fn host_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')
}

const HOSTS: &str = ".example.internal";
const MAILS: &str = "@example.com";
const V4: [&str; 3] = ["192.0.2.", "198.51.100.", "203.0.113."];
const V6: &str = "2001:db8::";
const MAC: &str = "00:00:5e:00:53:";
const PHONE: &str = "-555-01";

/// The spans of stand-ins in a text, in order.
pub(crate) fn find(text: &str) -> Vec<(usize, usize)> {
    let b = text.as_bytes();
    let bracketed = memchr::memchr_iter(b'[', b).filter_map(|at| Some((at, bracketed(b, at)?)));
    let mut out: Vec<_> = bracketed.collect();
    // a search for the word: its first letter alone is too common to stop at
    for at in USERS.find_iter(b) {
        out.extend(user(b, at).or_else(|| mail(b, at)).map(|e| (at, e)));
    }
    apart(out)
}

static USERS: LazyLock<memchr::memmem::Finder<'static>> =
    LazyLock::new(|| memchr::memmem::Finder::new("user"));

/// Spans in order, without those that begin inside another.
fn apart(mut spans: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    spans.sort_unstable();
    let mut end = 0;
    spans.retain(|(s, e)| {
        let apart = *s >= end;
        if apart {
            end = *e;
        }
        apart
    });
    spans
}

/// Whether a value holds a stand-in, or is the inside of one.
pub(crate) fn like(value: &str, style: PlaceholderStyle) -> bool {
    !find_styled(value, style).is_empty()
        || !find(&format!("[{value}]")).is_empty()
        || value.len() == 11 && value.starts_with("user-") && tag(value.as_bytes(), 5)
}

fn tag(b: &[u8], at: usize) -> bool {
    b.get(at..at + 6).is_some_and(|t| t.iter().all(|c| ALPHABET.contains(c)))
}

fn bracketed(b: &[u8], at: usize) -> Option<usize> {
    let mut e = at + 1;
    while e < b.len() && e - at < 48 && (b[e].is_ascii_uppercase() || b[e].is_ascii_digit() || b[e] == b'_') {
        e += 1;
    }
    // the tag may begin with digits
    let e = b[at..e].iter().rposition(|c| *c == b'_').map(|p| at + p + 1)?;
    let good = e - at > 2 && b[at + 1].is_ascii_uppercase() && tag(b, e) && b.get(e + 6) == Some(&b']');
    good.then_some(e + 7)
}

/// The spans of stand-ins in a text of that style, in order and apart: with realistic ones, whatever stands in a range
/// that is reserved for examples too.
pub(crate) fn find_styled(text: &str, style: PlaceholderStyle) -> Vec<(usize, usize)> {
    let mut out = find(text);
    if style == PlaceholderStyle::Typed {
        return out;
    }
    let b = text.as_bytes();
    let heads = V4.iter().chain([&V6, &MAC, &PHONE, &HOSTS]);
    for head in heads {
        for at in memchr::memmem::find_iter(b, head.as_bytes()) {
            out.extend(realistic(b, head, at));
        }
    }
    apart(out)
}

/// Whether an escape such as `\n` ends here: its letter is no part of the word that follows.
fn escape(b: &[u8], at: usize) -> bool {
    at >= 2 && b[at - 2] == b'\\' && matches!(b[at - 1], b'n' | b't' | b'r' | b'b' | b'f')
}

/// The whole stand-in around its fixed part at `at`.
fn realistic(b: &[u8], head: &str, at: usize) -> Option<(usize, usize)> {
    let from = at + head.len();
    let word = |i: usize| b.get(i).is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'_' || *c >= 0x80);
    // the word goes on, if only after a mark that joins
    let on = |i: usize, marks: &[u8]| word(i) || b.get(i).is_some_and(|c| marks.contains(c)) && word(i + 1);
    let back = |s: usize, marks: &[u8]| {
        s > 0
            && !escape(b, s)
            && (word(s - 1) || marks.contains(&b[s - 1]) && (s < 2 || word(s - 2) || b[s - 2] == b[s - 1]))
    };
    let run = |ok: fn(&u8) -> bool, most: usize| b[from..].iter().take(most).take_while(|c| ok(c)).count();
    let (s, e, marks): (usize, usize, &[u8]) = match head {
        HOSTS => {
            let s = at.checked_sub(11).filter(|s| b[*s..].starts_with(b"host-") && tag(b, s + 5))?;
            (s, from, b".-@")
        }
        PHONE => {
            let s = at.checked_sub(6).filter(|s| b[*s..].starts_with(b"+1-"))?;
            let good = b[s + 3..at].iter().all(u8::is_ascii_digit) && run(u8::is_ascii_digit, 2) == 2;
            (s, good.then_some(from + 2)?, b"-.")
        }
        MAC => (at, (run(u8::is_ascii_hexdigit, 2) == 2).then_some(from + 2)?, b":-."),
        V6 => {
            let hex = |i: usize| b.get(i..i + 4).is_some_and(|g| g.iter().all(u8::is_ascii_hexdigit));
            (at, (hex(from) && b.get(from + 4) == Some(&b':') && hex(from + 5)).then_some(from + 9)?, b":.")
        }
        _ => {
            let digits = run(u8::is_ascii_digit, 3);
            (at, (digits > 0).then_some(from + digits)?, b".")
        }
    };
    let goes_on = on(e, marks) || back(s, marks) || head == V6 && b.get(e) == Some(&b':');
    (!goes_on).then_some((s, e))
}

/// `user-k3f9qa@example.com`.
fn mail(b: &[u8], at: usize) -> Option<usize> {
    let whole = b[at..].starts_with(b"user-") && tag(b, at + 5) && b[at + 11..].starts_with(MAILS.as_bytes());
    let word = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-') || c >= 0x80;
    let inside =
        at > 0 && !escape(b, at) && (word(b[at - 1]) || matches!(b[at - 1], b'.' | b'%' | b'+' | b'@'));
    let e = at + 11 + MAILS.len();
    let on = b.get(e).is_some_and(|c| word(*c) || *c == b'@')
        || b.get(e) == Some(&b'.') && b.get(e + 1).is_some_and(|c| word(*c));
    (whole && !inside && !on).then_some(e)
}

fn user(b: &[u8], at: usize) -> Option<usize> {
    let word = |c: u8| c.is_ascii_alphanumeric();
    let inside = at > 0 && !escape(b, at) && (word(b[at - 1]) || b[at - 1] == b'_');
    if !b[at..].starts_with(b"user_") || inside {
        return None;
    }
    let e = at + 11;
    (tag(b, at + 5) && !b.get(e).is_some_and(|c| word(*c) || *c == b'_')).then_some(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_value_same_tag_other_key_other_tag() {
        let a = placeholder(&[1; 32], "EMAIL", "Ada@X.dev", PlaceholderStyle::Typed);
        assert_eq!(a, placeholder(&[1; 32], "EMAIL", "ada@x.dev ", PlaceholderStyle::Typed));
        assert_ne!(a, placeholder(&[2; 32], "EMAIL", "ada@x.dev", PlaceholderStyle::Typed));
        assert_ne!(a, placeholder(&[1; 32], "EMAIL", "bob@x.dev", PlaceholderStyle::Typed));
        assert_eq!(find(&format!("x{a}y")), vec![(1, 1 + a.len())]);
        let u = placeholder(&[1; 32], USER, "ada", PlaceholderStyle::Typed);
        assert_eq!(find(&format!("/home/{u}/x")), vec![(6, 6 + u.len())]);
        assert_eq!(find("[EMAIL_] [x_abcdef] user_name"), vec![]);
    }

    #[test]
    fn realistic_ones_are_out_of_reserved_ranges() {
        let make = |kind: &str, value: &str| placeholder(&[1; 32], kind, value, PlaceholderStyle::Realistic);
        let mail = make("EMAIL", "ada@x.dev");
        assert!(mail.ends_with("@example.com"), "{mail}");
        assert_eq!(find(&format!("to {mail}, ok")), vec![(3, 3 + mail.len())]);
        let phone = make("PHONE", "+49 30 1234");
        assert!(phone.starts_with("+1-") && phone.contains("-555-01"), "{phone}");
        assert!(make("IP_ADDRESS", "2a01:4f8::1").starts_with("2001:db8::"));
        assert!(make("HOST", "build7.corp.io").ends_with(".example.internal"));
        // what is not a value of its kind has no such stand-in
        for (kind, value) in [("IP_ADDRESS", "81.2.69.142:80 x"), ("PHONE", "call me"), ("EMAIL", "a@b@c")] {
            assert!(make(kind, value).starts_with(&format!("[{kind}_")), "{kind} {value}");
        }
        // a secret never looks like one
        assert!(make("TOKEN", "x").starts_with("[TOKEN_"));
    }

    #[test]
    fn every_realistic_one_is_known_whole_and_only_whole() {
        for (kind, value) in [
            ("EMAIL", "ada@x.dev"),
            ("HOST", "build7.corp.io"),
            ("IP_ADDRESS", "81.2.69.142"),
            ("IP_ADDRESS", "2a01:4f8::1"),
            ("MAC_ADDRESS", "3c:22:fb:01:02:03"),
            ("PHONE", "+49 30 1234567"),
            ("USER", "ada"),
        ] {
            for key in 0..40 {
                let with = placeholder(&[key; 32], kind, value, PlaceholderStyle::Realistic);
                let seen = |before: &str, after: &str| {
                    let text = [before, &with, after].concat();
                    find_styled(&text, PlaceholderStyle::Realistic)
                        == vec![(before.len(), before.len() + with.len())]
                };
                for (before, after) in [
                    ("", ""),
                    ("(", ")"),
                    ("\"", "\","),
                    ("at ", ". Then"),
                    ("=", "/x"),
                    ("\\\"", "\\\""),
                    ("a\\n", "\\n"),
                ] {
                    assert!(seen(before, after), "{before}{with}{after}");
                }
                for (before, after) in [("x", ""), ("", "9"), ("", "x"), ("9", "")] {
                    assert!(!seen(before, after), "{before}{with}{after}");
                    let put = between(&[key; 32], (kind, value), PlaceholderStyle::Realistic, before, after);
                    assert!(put.starts_with('['), "{put}");
                }
            }
        }
    }
}
