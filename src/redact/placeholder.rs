//! Typed, consistent stand-ins: `[EMAIL_k3f9qa]`, `user_k3f9qa`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Pseudonyms;

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

/// The stand-in of a value: the same for the same kind, value and key.
pub(crate) fn placeholder(key: &[u8; 32], kind: &str, value: &str, style: Pseudonyms) -> String {
    let mac = keyed(key, &["placeholder", kind, &normalise(kind, value)]);
    let bits = u64::from_be_bytes([mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], mac[6], mac[7]]);
    let tag: String = (0..6).map(|i| char::from(ALPHABET[(bits >> (59 - 5 * i)) as usize & 31])).collect();
    match (style, kind) {
        (_, USER) => format!("user_{tag}"),
        // RFC 2606
        (Pseudonyms::Realistic, "EMAIL") => format!("user-{tag}@example.com"),
        (Pseudonyms::Realistic, "HOST") => format!("host-{tag}.example.internal"),
        // RFC 3849 and RFC 5737
        (Pseudonyms::Realistic, "IP_ADDRESS") if value.contains(':') => {
            format!("2001:db8::{:02x}{:02x}:{:02x}{:02x}", mac[8], mac[9], mac[10], mac[11])
        }
        (Pseudonyms::Realistic, "IP_ADDRESS") => {
            let net = ["192.0.2", "198.51.100", "203.0.113"][usize::from(mac[8]) % 3];
            format!("{net}.{}", mac[9] % 254 + 1)
        }
        // RFC 7042
        (Pseudonyms::Realistic, "MAC_ADDRESS") => format!("00:00:5e:00:53:{:02x}", mac[8]),
        // numbers for films and examples
        (Pseudonyms::Realistic, "PHONE") => format!("+1-202-555-01{:02}", mac[8] % 100),
        _ => format!("[{kind}_{tag}]"),
    }
}

/// The spans of stand-ins in a text, in order.
pub(crate) fn find(text: &str) -> Vec<(usize, usize)> {
    let b = text.as_bytes();
    let mut out = Vec::new();
    for at in memchr::memchr2_iter(b'[', b'u', b) {
        if out.last().is_some_and(|(_, e)| at < *e) {
            continue;
        }
        let end = if b[at] == b'[' { bracketed(b, at) } else { user(b, at).or_else(|| mail(b, at)) };
        if let Some(e) = end {
            out.push((at, e));
        }
    }
    out
}

/// Whether a value holds a stand-in, or is the inside of one.
pub(crate) fn like(value: &str) -> bool {
    !find(value).is_empty() || !find(&format!("[{value}]")).is_empty()
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

/// Beginning of a number out of a reserved range, how many characters follow at most, and of what kind.
type Head = (&'static str, usize, fn(&u8) -> bool);

/// The spans of stand-ins in a text of that style, in order: with realistic ones, numbers of reserved ranges too.
pub(crate) fn find_styled(text: &str, style: Pseudonyms) -> Vec<(usize, usize)> {
    let mut out = find(text);
    if style == Pseudonyms::Typed {
        return out;
    }
    let b = text.as_bytes();
    let heads: [Head; 5] = [
        ("+1-202-555-01", 2, u8::is_ascii_digit),
        ("192.0.2.", 3, u8::is_ascii_digit),
        ("198.51.100.", 3, u8::is_ascii_digit),
        ("203.0.113.", 3, u8::is_ascii_digit),
        ("00:00:5e:00:53:", 2, u8::is_ascii_hexdigit),
    ];
    for (head, most, ok) in heads {
        for at in memchr::memmem::find_iter(b, head.as_bytes()) {
            let from = at + head.len();
            let tail = b[from..].iter().take(most).take_while(|c| ok(c)).count();
            if tail > 0 {
                out.push((at, from + tail));
            }
        }
    }
    out.sort_unstable();
    out
}

/// `user-k3f9qa@example.com`.
fn mail(b: &[u8], at: usize) -> Option<usize> {
    let whole = b[at..].starts_with(b"user-") && tag(b, at + 5) && b[at + 11..].starts_with(b"@example.com");
    let inside = at > 0 && (b[at - 1].is_ascii_alphanumeric() || matches!(b[at - 1], b'_' | b'-' | b'.'));
    (whole && !inside).then_some(at + 23)
}

fn user(b: &[u8], at: usize) -> Option<usize> {
    let word = |c: u8| c.is_ascii_alphanumeric();
    if !b[at..].starts_with(b"user_") || (at > 0 && (word(b[at - 1]) || b[at - 1] == b'_')) {
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
        let a = placeholder(&[1; 32], "EMAIL", "Ada@X.dev", Pseudonyms::Typed);
        assert_eq!(a, placeholder(&[1; 32], "EMAIL", "ada@x.dev ", Pseudonyms::Typed));
        assert_ne!(a, placeholder(&[2; 32], "EMAIL", "ada@x.dev", Pseudonyms::Typed));
        assert_ne!(a, placeholder(&[1; 32], "EMAIL", "bob@x.dev", Pseudonyms::Typed));
        assert_eq!(find(&format!("x{a}y")), vec![(1, 1 + a.len())]);
        let u = placeholder(&[1; 32], USER, "ada", Pseudonyms::Typed);
        assert_eq!(find(&format!("/home/{u}/x")), vec![(6, 6 + u.len())]);
        assert_eq!(find("[EMAIL_] [x_abcdef] user_name"), vec![]);
    }

    #[test]
    fn realistic_ones_are_out_of_reserved_ranges() {
        let make = |kind: &str, value: &str| placeholder(&[1; 32], kind, value, Pseudonyms::Realistic);
        let mail = make("EMAIL", "ada@x.dev");
        assert!(mail.ends_with("@example.com"), "{mail}");
        assert_eq!(find(&format!("to {mail}, ok")), vec![(3, 3 + mail.len())]);
        assert!(make("PHONE", "+49 30 1234").starts_with("+1-202-555-01"));
        assert!(make("IP_ADDRESS", "2a01:4f8::1").starts_with("2001:db8::"));
        assert!(make("HOST", "build7.corp.io").ends_with(".example.internal"));
        // a secret never looks like one
        assert!(make("TOKEN", "x").starts_with("[TOKEN_"));
    }
}
