//! Personal numbers and addresses that have no keyword: one pass over digits, colons and at signs.

/// A shape that the pass can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
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

impl Shape {
    pub fn named(name: &str) -> Option<Shape> {
        Some(match name {
            "email" => Shape::Email,
            "card" => Shape::Card,
            "phone" => Shape::Phone,
            "ssn" => Shape::Ssn,
            "iban" => Shape::Iban,
            "ipv4_public" => Shape::Ipv4Public,
            "ipv4_private" => Shape::Ipv4Private,
            "ipv6" => Shape::Ipv6,
            "mac" => Shape::Mac,
            "national_id" => Shape::NationalId,
            "wallet" => Shape::Wallet,
            "vin" => Shape::Vin,
            "postal" => Shape::Postal,
            _ => return None,
        })
    }
}

/// The shapes that are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted(u16);

impl Wanted {
    pub fn add(&mut self, shape: Shape) {
        self.0 |= 1 << shape as u16;
    }

    pub fn any(self) -> bool {
        self.0 != 0
    }

    fn has(self, shape: Shape) -> bool {
        self.0 & (1 << shape as u16) != 0
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

/// Calls `found` for each span of a wanted shape.
pub(crate) fn scan(text: &[u8], wanted: Wanted, found: &mut dyn FnMut(Shape, usize, usize)) {
    let n = text.len();
    let mut i = 0;
    // up to here everything is part of a finding already
    let mut taken = 0;
    while i < n {
        match CLASS[usize::from(text[i])] {
            OTHER => i += 1,
            AT => {
                if wanted.has(Shape::Email)
                    && let Some((s, e)) = email(text, i)
                {
                    found(Shape::Email, s, e);
                    taken = e;
                }
                i += 1;
            }
            COLON => {
                if i >= taken
                    && let Some((shape, s, e)) = colons(text, i)
                {
                    if wanted.has(shape) {
                        found(shape, s, e);
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
                if let Some((shape, s, e)) = number(text, start, i) {
                    if wanted.has(shape) {
                        found(shape, s, e);
                    }
                    taken = e;
                    i = e.max(i);
                }
            }
        }
    }
}

fn before(text: &[u8], i: usize) -> u8 {
    if i == 0 { b' ' } else { text[i - 1] }
}

fn after(text: &[u8], i: usize) -> u8 {
    text.get(i).copied().unwrap_or(b' ')
}

fn local(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'')
}

fn email(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut s = at;
    // `name @host.tld`, as people write it to fool scrapers
    let spaced = at > 0 && text[at - 1] == b' ';
    if spaced {
        s -= 1;
    }
    let edge = s;
    while s > 0 && edge - s < 64 {
        if local(text[s - 1]) {
            s -= 1;
        } else if s > 1 && (0x80..0xc0).contains(&text[s - 1]) && (0xc3..0xd8).contains(&text[s - 2]) {
            // a letter of two bytes
            s -= 2;
        } else {
            break;
        }
    }
    while s < edge && text[s] < 0x80 && !text[s].is_ascii_alphanumeric() {
        s += 1;
    }
    if s >= edge {
        return None;
    }
    let mut e = at + 1;
    while e < text.len()
        && e - at < 190
        && (text[e].is_ascii_alphanumeric() || matches!(text[e], b'.' | b'-'))
    {
        e += 1;
    }
    while e > at + 1 && !text[e - 1].is_ascii_alphanumeric() {
        e -= 1;
    }
    let host = &text[at + 1..e];
    let dot = host.iter().rposition(|b| *b == b'.')?;
    let tld = &host[dot + 1..];
    if edge == s || dot == 0 || tld.len() < 2 || tld.len() > 24 || !tld.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    // a login in a URL, a Git remote, a package at a version, a decorator
    if after(text, e) == b':'
        && text.get(e + 1).is_some_and(|b| b.is_ascii_alphabetic())
        && &text[s..edge] == b"git"
    {
        return None;
    }
    if matches!(before(text, s), b'/' | b':')
        && s >= 2
        && text[..s].iter().rev().take(80).any(|b| *b == b'/')
        && text[..s].windows(3).rev().take(80).any(|w| w == b"://")
    {
        let from = s.saturating_sub(80);
        let url = text[from..s].windows(3).rposition(|w| w == b"://").map(|p| from + p + 3)?;
        if !text[url..s].iter().any(|b| b.is_ascii_whitespace() || *b == b'/' || *b == b'?') {
            return None;
        }
    }
    if spaced && (edge < s + 3) {
        return None;
    }
    Some((s, e))
}

/// MAC addresses and IPv6 around a colon.
fn colons(text: &[u8], colon: usize) -> Option<(Shape, usize, usize)> {
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
        let plain = run.iter().all(|b| matches!(b, b'0' | b':'))
            || run.iter().all(|b| matches!(b, b'f' | b'F' | b':'));
        return (!plain).then_some((Shape::Mac, s, end));
    }
    if groups.len() < 3 || groups.iter().any(|g| g.len() > 4) {
        return None;
    }
    let address: std::net::Ipv6Addr = std::str::from_utf8(run).ok()?.parse().ok()?;
    let seg = address.segments();
    let global = seg[0] & 0xe000 == 0x2000;
    let documented = seg[0] == 0x2001 && seg[1] == 0xdb8;
    // `a::b` is code as often as an address: want several digits
    (global && !documented && run.iter().filter(|b| b.is_ascii_digit()).count() >= 4).then_some((
        Shape::Ipv6,
        s,
        end,
    ))
}

/// What a number that starts at `start` (a digit run up to `end`, or a `+` or `(`) is.
fn number(text: &[u8], start: usize, end: usize) -> Option<(Shape, usize, usize)> {
    let b = before(text, start);
    let len = end - start;
    if !text[start].is_ascii_digit() {
        return phone(text, start);
    }
    // a digit with letters behind it: the head of a wallet's address
    if text.get(end).is_some_and(u8::is_ascii_alphabetic)
        && matches!(text[start], b'1' | b'3')
        && let Some((s, e)) = super::wallet::at(text, start)
    {
        return Some((Shape::Wallet, s, e));
    }
    if (b.is_ascii_uppercase() || text.get(end).is_some_and(u8::is_ascii_uppercase))
        && let Some((s, e)) = vin(text, start)
    {
        return Some((Shape::Vin, s, e));
    }
    // IBAN: two capitals stand before the first two digits
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
        return Some((Shape::NationalId, s, e));
    }
    if b.is_ascii_alphanumeric()
        || b == b'_'
        || (b == b'.' && start >= 2 && text[start - 2].is_ascii_alphanumeric())
    {
        return None;
    }
    if (b >= 0x80 || b == b' ' && start >= 4 && text[start - 2] >= 0x80)
        && let Some((s, e)) = super::postal::east(text, start, end)
    {
        return Some((Shape::Postal, s, e));
    }
    if b == b' '
        && let Some((s, e)) = super::postal::at(text, start, end)
    {
        return Some((Shape::Postal, s, e));
    }
    if len <= 3 && after(text, end) == b'.' {
        return ipv4(text, start).or_else(|| if len == 3 { phone(text, start) } else { None });
    }
    if b == b'-' && start >= 2 && text[start - 2].is_ascii_alphanumeric() {
        return None;
    }
    if len == 3
        && let Some(e) = ssn(text, start)
    {
        return Some((Shape::Ssn, start, e));
    }
    if (len == 6 || len == 8)
        && let Some(e) = dated_id(text, start, len)
    {
        return Some((Shape::NationalId, start, e));
    }
    if len >= 4
        && let Some(e) = card(text, start)
    {
        return Some((Shape::Card, start, e));
    }
    phone(text, start)
}

/// A vehicle's number (ISO 3779) with its check digit, around the digits at `start`.
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

fn ipv4(text: &[u8], start: usize) -> Option<(Shape, usize, usize)> {
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
    // a version: `v1.2.3.4`, `Chrome/97.0.4692.71`, `-1.2.3.4`
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
    // small numbers all over are a version or an OID
    let tiny = a < 4 && b2 < 30 && c < 30 && d < 30
        || a < 10 && b2 < 10 && c < 10 && d < 10
        || d == 0 && c == 0 && a < 130;
    if well_known || tiny && !private {
        return None;
    }
    let netmask = a == 255;
    if netmask {
        return None;
    }
    Some((if private { Shape::Ipv4Private } else { Shape::Ipv4Public }, start, e))
}

/// Whether one of the words stands right before, with at most blanks, `:`, `=` or quotes between.
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
    let bad = t.starts_with(b"000") || t.starts_with(b"666") || &t[4..6] == b"00" || &t[7..] == b"0000";
    (!bad).then_some(start + 11)
}

/// `YYMMDD-SNNNNNN` (Korea) and `[YY]YYMMDD-NNNN` (Sweden, with its check digit).
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
    let n = d.len();
    let grouped = groups.len() == 1
        || groups == [4, 4, 4, 4]
        || groups == [4, 6, 5]
        || groups == [4, 6, 4]
        || groups == [4, 4, 4, 4, 3];
    if !grouped || !super::validate::luhn(&d) {
        return None;
    }
    let p2 = u32::from(d[0] - b'0') * 10 + u32::from(d[1] - b'0');
    let p4 = p2 * 100 + u32::from(d[2] - b'0') * 10 + u32::from(d[3] - b'0');
    let brand = match n {
        13 | 16 | 19 if d[0] == b'4' => true,
        16 => {
            (51..=55).contains(&p2)
                || (2221..=2720).contains(&p4)
                || p4 == 6011
                || p2 == 65
                || (3528..=3589).contains(&p4)
                || p2 == 62
                || matches!(p4, 5018 | 5020 | 5038 | 6304)
        }
        15 => matches!(p2, 34 | 37),
        14 => matches!(p2, 36 | 38) || (300..=305).contains(&(p4 / 10)),
        _ => false,
    };
    // an ungrouped 13-digit 4… is a millisecond time as often as a card
    (brand && !(n == 13 && groups.len() == 1)).then_some(e)
}

fn iban(text: &[u8], start: usize) -> Option<(Shape, usize, usize)> {
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
    best.map(|e| (Shape::Iban, start, e))
}

/// Phone numbers: `+` with a country code, `(415) 555-…`, `415-555-0100`.
fn phone(text: &[u8], start: usize) -> Option<(Shape, usize, usize)> {
    let b = before(text, start);
    if b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'#' | b'+' | b'-' | b'$') {
        return None;
    }
    let plus = text[start] == b'+';
    let mut e = start + usize::from(plus);
    let mut d = 0usize;
    let mut groups: Vec<usize> = Vec::new();
    let mut run = 0usize;
    let mut parens = 0usize;
    let mut seps = [0usize; 3];
    let mut last_digit = e;
    while e < text.len() && d < 16 {
        let c = text[e];
        if c.is_ascii_digit() {
            d += 1;
            run += 1;
            last_digit = e + 1;
        } else {
            let next = after(text, e + 1);
            let ok = match c {
                b' ' | b'-' | b'.' => next.is_ascii_digit() || (next == b'(' && c == b' '),
                b'(' => next.is_ascii_digit() && parens == 0,
                b')' => parens == 1 && (next.is_ascii_digit() || next == b' ' || next == b'-'),
                _ => false,
            };
            if !ok {
                break;
            }
            match c {
                b' ' => seps[0] += 1,
                b'-' => seps[1] += 1,
                b'.' => seps[2] += 1,
                b'(' => parens = 1,
                _ => parens = 2,
            }
            if run > 0 {
                groups.push(run);
                run = 0;
            }
        }
        e += 1;
    }
    if run > 0 {
        groups.push(run);
    }
    let e = last_digit;
    let next = after(text, e);
    if next.is_ascii_alphanumeric()
        || next == b'_'
        || parens == 1
        || (next == b'.' && text.get(e + 1).is_some_and(u8::is_ascii_digit))
    {
        return None;
    }
    let digits: Vec<u8> = text[start..e].iter().copied().filter(u8::is_ascii_digit).collect();
    let ok = if plus {
        (8..=15).contains(&d)
            && digits[0] != b'0'
            && groups.iter().skip(1).all(|g| *g <= 8)
            && (groups.len() > 1 || d >= 10)
    } else {
        // North America, with or without the trunk digit
        let nanp = |g: &[usize]| g == [3, 3, 4] || (g == [1, 3, 3, 4] && digits[0] == b'1');
        let area = if groups.len() == 4 { 1 } else { 0 };
        let one_sep = seps.iter().filter(|s| **s > 0).count() <= 1 || parens == 2;
        // `48 8b 05 91 00 00` is machine code, `0 190 0 0 40` a drawing
        let among_numbers = || {
            start >= 2
                && text[start - 1] == b' '
                && text[start.saturating_sub(5)..start - 1].rsplit(|b| *b == b' ').next().is_some_and(|w| {
                    w.len() <= 3 && w.iter().any(u8::is_ascii_digit) && w.iter().all(u8::is_ascii_hexdigit)
                })
        };
        let trunk = digits.first() == Some(&b'0')
            && !among_numbers()
            && groups.iter().skip(1).all(|g| *g >= 2)
            && digits.get(1) != Some(&b'0')
            && (9..=11).contains(&d)
            && (groups.len() >= 3 && groups.iter().all(|g| *g <= 5)
                || groups.len() == 2 && (4..=5).contains(&groups[0]) && groups[1] >= 6 && seps[0] == 1
                || groups.len() == 2 && parens == 2)
            && (groups[0] >= 3 || groups.len() >= 4 || parens == 2)
            && seps[2] == 0
            && seps.iter().filter(|s| **s > 0).count() <= 1 + usize::from(parens == 2);
        trunk
            || nanp(&groups)
                && one_sep
                && (seps[1] > 0 || parens == 2 || seps[2] == 2 || seps[0] == 2)
                && (b'2'..=b'9').contains(&digits[area])
                && (b'2'..=b'9').contains(&digits[area + 3])
                && (seps[0] == 0 || parens == 2)
    };
    ok.then_some((Shape::Phone, start, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(Shape, String)> {
        let mut w = Wanted::default();
        for s in [
            Shape::Email,
            Shape::Card,
            Shape::Phone,
            Shape::Ssn,
            Shape::Iban,
            Shape::Ipv4Public,
            Shape::Ipv4Private,
            Shape::Ipv6,
            Shape::Mac,
        ] {
            w.add(s);
        }
        let mut out = Vec::new();
        scan(text.as_bytes(), w, &mut |s, a, b| out.push((s, text[a..b].to_owned())));
        out
    }

    #[test]
    fn shapes_are_found_whole() {
        for (text, shape, want) in [
            ("mail ada@lovelace.dev now", Shape::Email, "ada@lovelace.dev"),
            ("call +49 30 1234 5678.", Shape::Phone, "+49 30 1234 5678"),
            ("(415) 555-0137 x", Shape::Phone, "(415) 555-0137"),
            ("at 81.2.69.142:80", Shape::Ipv4Public, "81.2.69.142"),
            ("at 10.1.2.3/8", Shape::Ipv4Private, "10.1.2.3"),
            ("ssn 219-09-9998", Shape::Ssn, "219-09-9998"),
            ("ether 3c:22:fb:01:02:03 x", Shape::Mac, "3c:22:fb:01:02:03"),
            ("inet6 2a01:4f8::1f2:9/64", Shape::Ipv6, "2a01:4f8::1f2:9"),
        ] {
            assert_eq!(all(text), vec![(shape, want.to_owned())], "{text}");
        }
    }

    #[test]
    fn lookalikes_are_left() {
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
}
