//! Finds personal numbers and addresses that no keyword announces: mail addresses, phone numbers, cards, IBANs, IP
//! addresses and national ids.
//!
//! One pass stops at digits, `:`, `@`, `+` and `(`, and tries the kinds that can begin there. Everything else in the
//! text costs one table look-up a byte. The hard part is what must not match: versions (`1.2.3.4`), times (`12:34:56`),
//! paths (`std::fmt`), hex dumps and ids.

use serde::Deserialize;

use super::neighbours::{after, before};

/// A kind that the pass can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NumberKind {
    Email,
    Card,
    Phone,
    Ssn,
    Iban,
    Ipv4Public,
    Ipv4Private,
    Ipv6,
    Mac,
    NationalId,
    Wallet,
    Vin,
    Postal,
}

/// A set of kinds to find.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NumberKinds(u16);

impl NumberKinds {
    pub fn add(&mut self, kind: NumberKind) {
        self.0 |= 1 << kind as u16;
    }

    pub fn any(self) -> bool {
        self.0 != 0
    }

    fn has(self, kind: NumberKind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }
}

const OTHER: u8 = 0;
const DIGIT: u8 = 1;
const COLON: u8 = 2;
const AT: u8 = 3;
const PLUS: u8 = 4;

static CLASS: [u8; 256] = {
    let mut t = [OTHER; 256];
    let mut d = b'0';
    while d <= b'9' {
        t[d as usize] = DIGIT;
        d += 1;
    }
    t[b':' as usize] = COLON;
    t[b'@' as usize] = AT;
    t[b'+' as usize] = PLUS;
    t[b'(' as usize] = PLUS;
    t
};

/// Calls `found` with each span of a wanted kind.
///
/// A span of another kind is consumed too: the digits of a card are not tried as a phone number, even if the caller did
/// not ask for cards.
pub(crate) fn scan(text: &[u8], wanted: NumberKinds, found: &mut dyn FnMut(NumberKind, usize, usize)) {
    let n = text.len();
    let mut i = 0;
    // Everything before this offset belongs to a span that was found.
    let mut taken = 0;
    while i < n {
        match CLASS[usize::from(text[i])] {
            OTHER => i += 1,
            AT => {
                if wanted.has(NumberKind::Email)
                    && let Some((s, e)) = email(text, i)
                {
                    found(NumberKind::Email, s, e);
                    taken = e;
                }
                i += 1;
            }
            COLON => {
                if i >= taken
                    && let Some((kind, s, e)) = colons(text, i)
                {
                    if wanted.has(kind) {
                        found(kind, s, e);
                    }
                    taken = e;
                    i = e.max(i + 1);
                    continue;
                }
                i += 1;
            }
            _ => {
                let start = i;
                let digit = text[i].is_ascii_digit();
                i += 1;
                if digit {
                    while i < n && text[i].is_ascii_digit() {
                        i += 1;
                    }
                }
                if start < taken {
                    continue;
                }
                if let Some((kind, s, e)) = number(text, start, i) {
                    if wanted.has(kind) {
                        found(kind, s, e);
                    }
                    taken = e;
                    i = e.max(i);
                }
            }
        }
    }
}

fn is_local_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'')
}

/// Returns the span of the mail address around the `@` at `at`, also in the spelling `name @host.tld`.
fn email(text: &[u8], at: usize) -> Option<(usize, usize)> {
    // People write a space before the `@` to keep harvesters away.
    let spaced = at > 0 && text[at - 1] == b' ';
    let local_end = at - usize::from(spaced);
    let start = local_part_start(text, local_end)?;
    let mut end = at + 1;
    while end < text.len()
        && end - at < 190
        && (text[end].is_ascii_alphanumeric() || matches!(text[end], b'.' | b'-'))
    {
        end += 1;
    }
    while end > at + 1 && !text[end - 1].is_ascii_alphanumeric() {
        end -= 1;
    }
    let host = &text[at + 1..end];
    let dot = host.iter().rposition(|b| *b == b'.')?;
    let tld = &host[dot + 1..];
    if dot == 0 || !(2..=24).contains(&tld.len()) || !tld.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    // `git@github.com:owner/repo` is a remote.
    if after(text, end) == b':'
        && text.get(end + 1).is_some_and(|b| b.is_ascii_alphabetic())
        && &text[start..local_end] == b"git"
    {
        return None;
    }
    if is_url_login(text, start)? {
        return None;
    }
    if spaced && local_end < start + 3 {
        return None;
    }
    Some((start, end))
}

/// Returns where the local part of a mail address begins that ends at `end`; `None` if it is empty.
fn local_part_start(text: &[u8], end: usize) -> Option<usize> {
    let mut start = end;
    while start > 0 && end - start < 64 {
        if is_local_byte(text[start - 1]) {
            start -= 1;
        } else if start > 1
            && (0x80..0xc0).contains(&text[start - 1])
            && (0xc3..0xd8).contains(&text[start - 2])
        {
            // A letter of two bytes in UTF-8, such as `é`.
            start -= 2;
        } else {
            break;
        }
    }
    while start < end && text[start] < 0x80 && !text[start].is_ascii_alphanumeric() {
        start += 1;
    }
    (start < end).then_some(start)
}

/// Whether the word at `start` is the login of a URL: `https://ada@host`, `ssh://ada:pw@host`. `None` if the URL is too
/// long to tell.
fn is_url_login(text: &[u8], start: usize) -> Option<bool> {
    if !(matches!(before(text, start), b'/' | b':')
        && start >= 2
        && text[..start].iter().rev().take(80).any(|b| *b == b'/')
        && text[..start].windows(3).rev().take(80).any(|w| w == b"://"))
    {
        return Some(false);
    }
    let from = start.saturating_sub(80);
    let url = text[from..start].windows(3).rposition(|w| w == b"://").map(|p| from + p + 3)?;
    Some(!text[url..start].iter().any(|b| b.is_ascii_whitespace() || *b == b'/' || *b == b'?'))
}

/// Returns the MAC or global IPv6 address around the colon at `colon`.
fn colons(text: &[u8], colon: usize) -> Option<(NumberKind, usize, usize)> {
    let mut s = colon;
    while s > 0 && colon - s < 5 && text[s - 1].is_ascii_hexdigit() {
        s -= 1;
    }
    if colon - s > 4
        || (s > 0 && (text[s - 1].is_ascii_alphanumeric() || matches!(text[s - 1], b':' | b'_' | b'.')))
    {
        return None;
    }
    if s == colon && text.get(colon + 1) != Some(&b':') {
        return None;
    }
    let mut e = colon;
    while e < text.len() && e - s < 46 && (text[e].is_ascii_hexdigit() || text[e] == b':') {
        e += 1;
    }
    if e < text.len() && (text[e].is_ascii_alphanumeric() || text[e] == b'_') {
        return None;
    }
    let run = &text[s..e];
    let end = if run.ends_with(b":") && !run.ends_with(b"::") { e - 1 } else { e };
    let run = &text[s..end];
    let groups: Vec<&[u8]> = run.split(|b| *b == b':').collect();
    if groups.len() == 6 && groups.iter().all(|g| g.len() == 2) {
        // All zeros is the loopback device, all ones is a broadcast.
        let plain = run.iter().all(|b| matches!(b, b'0' | b':'))
            || run.iter().all(|b| matches!(b, b'f' | b'F' | b':'));
        return (!plain).then_some((NumberKind::Mac, s, end));
    }
    if groups.len() < 3 || groups.iter().any(|g| g.len() > 4) {
        return None;
    }
    let address: std::net::Ipv6Addr = std::str::from_utf8(run).ok()?.parse().ok()?;
    let seg = address.segments();
    let global = seg[0] & 0xe000 == 0x2000;
    let documented = seg[0] == 0x2001 && seg[1] == 0xdb8;
    // `a::b` is a path in code as often as an address, so an address needs several digits.
    (global && !documented && run.iter().filter(|b| b.is_ascii_digit()).count() >= 4).then_some((
        NumberKind::Ipv6,
        s,
        end,
    ))
}

/// Returns the kind and span of the number at `start`: a run of digits up to `end`, or a `+` or `(`.
///
/// The kinds with a check digit or a fixed shape come first; a phone number, which can look like anything, comes last.
fn number(text: &[u8], start: usize, end: usize) -> Option<(NumberKind, usize, usize)> {
    let b = before(text, start);
    let len = end - start;
    if !text[start].is_ascii_digit() {
        return phone_at(text, start);
    }
    // A digit that letters follow may begin the address of a wallet.
    if text.get(end).is_some_and(u8::is_ascii_alphabetic)
        && matches!(text[start], b'1' | b'3')
        && let Some((s, e)) = super::wallet::at(text, start)
    {
        return Some((NumberKind::Wallet, s, e));
    }
    if (b.is_ascii_uppercase() || text.get(end).is_some_and(u8::is_ascii_uppercase))
        && let Some((s, e)) = vin(text, start)
    {
        return Some((NumberKind::Vin, s, e));
    }
    // An IBAN has two capitals before its first two digits.
    if len >= 2
        && start >= 2
        && text[start - 1].is_ascii_uppercase()
        && text[start - 2].is_ascii_uppercase()
        && (start == 2 || !text[start - 3].is_ascii_alphanumeric())
    {
        return iban(text, start - 2);
    }
    if (b.is_ascii_uppercase() || b == b' ' || !b.is_ascii_alphanumeric() && len >= 2)
        && let Some((s, e)) = super::national_id::at(text, start)
    {
        return Some((NumberKind::NationalId, s, e));
    }
    // From here on the number must not be the end of a word or of a decimal.
    if b.is_ascii_alphanumeric()
        || b == b'_'
        || (b == b'.' && start >= 2 && text[start - 2].is_ascii_alphanumeric())
    {
        return None;
    }
    if (b >= 0x80 || b == b' ' && start >= 4 && text[start - 2] >= 0x80)
        && let Some((s, e)) = super::postal::east_asian(text, start, end)
    {
        return Some((NumberKind::Postal, s, e));
    }
    if b == b' '
        && let Some((s, e)) = super::postal::at(text, start, end)
    {
        return Some((NumberKind::Postal, s, e));
    }
    if len <= 3 && after(text, end) == b'.' {
        return ipv4(text, start).or_else(|| if len == 3 { phone_at(text, start) } else { None });
    }
    // A number after `x-` is a part of an id or a version: `build-2024`, `3f2a-4111`.
    if b == b'-' && start >= 2 && text[start - 2].is_ascii_alphanumeric() {
        return None;
    }
    if len == 3
        && let Some(e) = ssn(text, start)
    {
        return Some((NumberKind::Ssn, start, e));
    }
    if (len == 6 || len == 8)
        && let Some(e) = dated_id(text, start, len)
    {
        return Some((NumberKind::NationalId, start, e));
    }
    if len >= 4
        && let Some(e) = card(text, start)
    {
        return Some((NumberKind::Card, start, e));
    }
    phone_at(text, start)
}

fn phone_at(text: &[u8], start: usize) -> Option<(NumberKind, usize, usize)> {
    super::phone::at(text, start).map(|(s, e)| (NumberKind::Phone, s, e))
}

/// Returns the span of the vehicle identification number (ISO 3779) around the digits at `start`, if its check digit is right.
fn vin(text: &[u8], start: usize) -> Option<(usize, usize)> {
    let part = |b: &u8| b.is_ascii_digit() || b.is_ascii_uppercase();
    let s = start - text[..start].iter().rev().take(17).take_while(|b| part(b)).count();
    let v = text.get(s..s + 17)?;
    let edge = |b: Option<&u8>| b.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_');
    if !v.iter().all(part) || !edge(s.checked_sub(1).and_then(|i| text.get(i))) || !edge(text.get(s + 17)) {
        return None;
    }
    const VALUES: &[u8; 26] = b"12345678-12345-7-923456789";
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let mut sum = 0;
    for (b, w) in v.iter().zip(WEIGHTS) {
        let d = if b.is_ascii_digit() { *b } else { VALUES[usize::from(b - b'A')] };
        if d == b'-' {
            return None;
        }
        sum += u32::from(d - b'0') * w;
    }
    let check = if sum % 11 == 10 { b'X' } else { b'0' + (sum % 11) as u8 };
    let letters = v.iter().filter(|b| b.is_ascii_uppercase()).count();
    (v[8] == check && (2..=12).contains(&letters)).then_some((s, s + 17))
}

/// Returns the IPv4 address at `start` and whether it is private; `None` for versions, well-known resolvers and
/// netmasks.
fn ipv4(text: &[u8], start: usize) -> Option<(NumberKind, usize, usize)> {
    let mut e = start;
    let mut parts = [0u16; 4];
    for (k, part) in parts.iter_mut().enumerate() {
        let from = e;
        while e < text.len() && e - from < 4 && text[e].is_ascii_digit() {
            *part = *part * 10 + u16::from(text[e] - b'0');
            e += 1;
        }
        if e == from || e - from > 3 || *part > 255 || (e - from > 1 && text[from] == b'0') {
            return None;
        }
        if k < 3 {
            if after(text, e) != b'.' {
                return None;
            }
            e += 1;
        }
    }
    let next = after(text, e);
    if next.is_ascii_alphanumeric()
        || next == b'_'
        || (next == b'.' && text.get(e + 1).is_some_and(u8::is_ascii_digit))
    {
        return None;
    }
    // `v1.2.3.4`, `Chrome/97.0.4692.71`, `pkg-1.2.3.4` and `version: 1.2.3.4` are versions.
    let b = before(text, start);
    if matches!(b, b'-' | b'v' | b'V' | b'=' | b'^' | b'~')
        && (b != b'=' || start >= 2 && text[start - 2] == b'=')
        || (b == b'/' && start >= 2 && text[start - 2].is_ascii_alphabetic())
        || word_before(text, start, &[b"version", b"schema", b"release", b"oid", b"ver", b"section"])
    {
        return None;
    }
    if next == b'-' && text.get(e + 1).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let [a, b2, c, d] = parts;
    let private = a == 10
        || a == 127
        || a == 0
        || a >= 224
        || (a == 172 && (16..32).contains(&b2))
        || (a == 192 && b2 == 168)
        || (a == 169 && b2 == 254)
        || (a == 100 && (64..128).contains(&b2))
        || (a == 198 && (b2 == 18 || b2 == 19));
    let well_known = matches!(
        parts,
        [8, 8, 8, 8] | [8, 8, 4, 4] | [1, 1, 1, 1] | [1, 0, 0, 1] | [9, 9, 9, 9] | [1, 2, 3, 4]
    );
    // Four small numbers are a version or an object identifier.
    let tiny = a < 4 && b2 < 30 && c < 30 && d < 30
        || a < 10 && b2 < 10 && c < 10 && d < 10
        || d == 0 && c == 0 && a < 130;
    if well_known || tiny && !private {
        return None;
    }
    // 255.… is a netmask.
    if a == 255 {
        return None;
    }
    Some((if private { NumberKind::Ipv4Private } else { NumberKind::Ipv4Public }, start, e))
}

/// Whether one of the words comes directly before `i`, with only spaces, `:`, `=` or quotes between.
fn word_before(text: &[u8], i: usize, words: &[&[u8]]) -> bool {
    let mut e = i;
    while e > 0 && i - e < 6 && matches!(text[e - 1], b' ' | b':' | b'=' | b'"' | b'\'' | b'\t') {
        e -= 1;
    }
    words.iter().any(|w| {
        e >= w.len()
            && text[e - w.len()..e].eq_ignore_ascii_case(w)
            && !(e > w.len() && text[e - w.len() - 1].is_ascii_alphabetic())
    })
}

/// Returns the end of the United States social security number at `start` (`219-09-9998`), if its parts are in use.
fn ssn(text: &[u8], start: usize) -> Option<usize> {
    let t = text.get(start..start + 11)?;
    let sep = t[3];
    if !matches!(sep, b'-') || t[6] != sep {
        return None;
    }
    let digits = |r: std::ops::Range<usize>| t[r].iter().all(u8::is_ascii_digit);
    if !digits(0..3)
        || !digits(4..6)
        || !digits(7..11)
        || after(text, start + 11).is_ascii_alphanumeric()
        || after(text, start + 11) == b'-'
    {
        return None;
    }
    // No number with these parts is ever assigned.
    let bad = t.starts_with(b"000") || t.starts_with(b"666") || &t[4..6] == b"00" || &t[7..] == b"0000";
    (!bad).then_some(start + 11)
}

/// Returns the end of a national id that begins with a date of birth of `len` digits.
///
/// `YYMMDD-SNNNNNN` is Korean, `[YY]YYMMDD-NNNN` is Swedish and has a check digit.
fn dated_id(text: &[u8], start: usize, len: usize) -> Option<usize> {
    let dash = start + len;
    if text.get(dash) != Some(&b'-') {
        return None;
    }
    let tail = text[dash + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let e = dash + 1 + tail;
    let next = after(text, e);
    if next.is_ascii_alphanumeric() || matches!(next, b'-' | b'_') {
        return None;
    }
    let id = &text[start..e];
    let korean =
        len == 6 && tail == 7 && (b'1'..=b'4').contains(&text[dash + 1]) && super::validate::date6(&id[..6]);
    let swedish = tail == 4 && super::validate::swedish_id(id);
    (korean || swedish).then_some(e)
}

/// Returns the end of the card number at `start`: the groups, prefix and Luhn check of a brand.
fn card(text: &[u8], start: usize) -> Option<usize> {
    let mut e = start;
    let mut d: Vec<u8> = Vec::with_capacity(19);
    let mut groups: Vec<usize> = Vec::new();
    let mut run = 0;
    let mut sep = 0u8;
    while e < text.len() && d.len() < 20 {
        let b = text[e];
        if b.is_ascii_digit() {
            d.push(b);
            run += 1;
        } else if matches!(b, b' ' | b'-')
            && text.get(e + 1).is_some_and(u8::is_ascii_digit)
            && (sep == 0 || sep == b)
            && (4..=6).contains(&run)
        {
            sep = b;
            groups.push(run);
            run = 0;
        } else {
            break;
        }
        e += 1;
    }
    groups.push(run);
    let next = after(text, e);
    if next.is_ascii_alphanumeric()
        || next == b'_'
        || (next == b'.' && text.get(e + 1).is_some_and(u8::is_ascii_digit))
    {
        return None;
    }
    let grouped = groups.len() == 1
        || groups == [4, 4, 4, 4]
        || groups == [4, 6, 5]
        || groups == [4, 6, 4]
        || groups == [4, 4, 4, 4, 3];
    if !grouped || !super::validate::luhn(&d) {
        return None;
    }
    // A run of 13 digits that begins with 4 is a time in milliseconds as often as a card.
    (is_card_brand(&d) && !(d.len() == 13 && groups.len() == 1)).then_some(e)
}

/// Whether the prefix and length are those of a card brand.
fn is_card_brand(d: &[u8]) -> bool {
    let p2 = u32::from(d[0] - b'0') * 10 + u32::from(d[1] - b'0');
    let p4 = p2 * 100 + u32::from(d[2] - b'0') * 10 + u32::from(d[3] - b'0');
    match d.len() {
        // Visa
        13 | 16 | 19 if d[0] == b'4' => true,
        // Mastercard, Discover, JCB, UnionPay, Maestro
        16 => {
            (51..=55).contains(&p2)
                || (2221..=2720).contains(&p4)
                || p4 == 6011
                || p2 == 65
                || (3528..=3589).contains(&p4)
                || p2 == 62
                || matches!(p4, 5018 | 5020 | 5038 | 6304)
        }
        // American Express
        15 => matches!(p2, 34 | 37),
        // Diners Club
        14 => matches!(p2, 36 | 38) || (300..=305).contains(&(p4 / 10)),
        _ => false,
    }
}

/// Returns the longest valid IBAN that begins at `start`, with or without spaces between its groups of four.
fn iban(text: &[u8], start: usize) -> Option<(NumberKind, usize, usize)> {
    let mut e = start;
    let mut n = 0;
    let mut best = None;
    while e < text.len() && n < 34 {
        let b = text[e];
        if b.is_ascii_uppercase() || b.is_ascii_digit() {
            n += 1;
        } else if matches!(b, b' ' | b'-')
            && text.get(e + 1).is_some_and(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        {
            if n % 4 != 0 {
                break;
            }
        } else {
            break;
        }
        e += 1;
        if n >= 15
            && !text.get(e).is_some_and(u8::is_ascii_alphanumeric)
            && super::validate::iban(&text[start..e])
        {
            best = Some(e);
        }
    }
    best.map(|e| (NumberKind::Iban, start, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(NumberKind, String)> {
        let mut w = NumberKinds::default();
        for s in [
            NumberKind::Email,
            NumberKind::Card,
            NumberKind::Phone,
            NumberKind::Ssn,
            NumberKind::Iban,
            NumberKind::Ipv4Public,
            NumberKind::Ipv4Private,
            NumberKind::Ipv6,
            NumberKind::Mac,
        ] {
            w.add(s);
        }
        let mut out = Vec::new();
        scan(text.as_bytes(), w, &mut |s, a, b| out.push((s, text[a..b].to_owned())));
        out
    }

    #[test]
    fn a_number_is_found_whole() {
        for (text, kind, want) in [
            ("mail ada@lovelace.dev now", NumberKind::Email, "ada@lovelace.dev"),
            ("call +49 30 1234 5678.", NumberKind::Phone, "+49 30 1234 5678"),
            ("(415) 555-0137 x", NumberKind::Phone, "(415) 555-0137"),
            ("at 81.2.69.142:80", NumberKind::Ipv4Public, "81.2.69.142"),
            ("at 10.1.2.3/8", NumberKind::Ipv4Private, "10.1.2.3"),
            ("ssn 219-09-9998", NumberKind::Ssn, "219-09-9998"),
            ("ether 3c:22:fb:01:02:03 x", NumberKind::Mac, "3c:22:fb:01:02:03"),
            ("inet6 2a01:4f8::1f2:9/64", NumberKind::Ipv6, "2a01:4f8::1f2:9"),
        ] {
            assert_eq!(all(text), vec![(kind, want.to_owned())], "{text}");
        }
    }

    #[test]
    fn versions_times_and_paths_are_not_personal_numbers() {
        for text in [
            "0 1 2 3 4 5 6",
            "std::fmt::Display",
            "12:34:56",
            "v1.2.3.4",
            "Chrome/97.0.4692.71",
            "2026-03-16T10:57:00.123Z",
            "id 1080052163",
            "a@1.2.3",
            "1234567890123",
            "00:00:00:00:00:00",
        ] {
            assert_eq!(all(text), vec![], "{text}");
        }
    }

    #[test]
    fn a_login_in_a_url_and_a_git_remote_are_not_mail_addresses() {
        for text in ["https://ada@host.io/x", "git@github.com:o/r.git", "@types/node", "x @a.b"] {
            assert_eq!(all(text), vec![], "{text}");
        }
        assert_eq!(all("zoë@lovelace.dev"), vec![(NumberKind::Email, "zoë@lovelace.dev".to_owned())]);
    }
}
