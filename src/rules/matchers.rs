//! Matchers that a regex cannot say well: cookies, passwords inside URLs, PEM blocks.

use super::value_shape;

/// A named hand-written matcher, started at a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    /// `Cookie:` and `Set-Cookie:` lines: each value that looks like a session.
    Cookie,
    /// `scheme://user:password@host`.
    UrlPassword,
    /// The host of a database, broker or mail server in a URL that carries a login.
    UrlHost,
    /// `-----BEGIN … PRIVATE KEY-----`, whole or truncated, however the lines are joined.
    Pem,
}

impl Hand {
    pub fn named(name: &str) -> Option<Hand> {
        Some(match name {
            "cookie" => Hand::Cookie,
            "url_password" => Hand::UrlPassword,
            "url_host" => Hand::UrlHost,
            "pem" => Hand::Pem,
            _ => return None,
        })
    }
}

/// Longest key block that is read, in bytes: no matcher looks further ahead.
pub(crate) const LONGEST_BLOCK: usize = 24 * 1024;

/// Runs a matcher at the keyword `[start, end)`.
pub(crate) fn at(hand: Hand, text: &[u8], start: usize, end: usize, found: &mut dyn FnMut(usize, usize)) {
    match hand {
        Hand::Cookie => cookie(text, end, found),
        Hand::UrlPassword => url_password(text, end, found),
        Hand::UrlHost => url_host(text, start, end, found),
        Hand::Pem => pem(text, start, found),
    }
}

fn cookie(text: &[u8], end: usize, found: &mut dyn FnMut(usize, usize)) {
    let to = (end + 8192).min(text.len());
    let mut i = end;
    // the name may be quoted JSON: `"cookie": "a=b"`
    while i < to && i - end < 6 && matches!(text[i], b'"' | b'\'' | b':' | b' ' | b'=' | b'\\') {
        i += 1;
    }
    while i < to {
        let name = i;
        while i < to
            && (text[i].is_ascii_alphanumeric()
                || matches!(text[i], b'_' | b'-' | b'.' | b'%' | b'$' | b'[' | b']'))
        {
            i += 1;
        }
        if i == name || i >= to || text[i] != b'=' {
            return;
        }
        let key = text[name..i].to_ascii_lowercase();
        i += 1;
        let value = i;
        while i < to
            && !matches!(text[i], b';' | b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'\\' | b'`' | 0x1b)
        {
            i += 1;
        }
        let attribute =
            [&b"path"[..], b"domain", b"expires", b"max-age", b"samesite", b"theme", b"lang", b"locale"]
                .contains(&key.as_slice());
        if !attribute && session_like(&text[value..i], &key) {
            found(value, i);
        }
        while i < to && matches!(text[i], b';' | b' ') {
            i += 1;
        }
    }
}

fn session_like(value: &[u8], key: &[u8]) -> bool {
    let Ok(v) = std::str::from_utf8(value) else { return false };
    if value_shape::is_placeholder_value(v) {
        return false;
    }
    let named =
        [&b"sess"[..], b"sid", b"auth", b"token", b"jwt", b"csrf", b"xsrf", b"remember", b"login", b"user"]
            .iter()
            .any(|k| key.windows(k.len()).any(|w| w == *k));
    if named {
        v.len() >= 8 && v.bytes().any(|b| b.is_ascii_digit()) && (value_shape::entropy(value) > 2.5)
    } else {
        v.len() >= 20 && value_shape::looks_random(v)
    }
}

/// The keyword is `://`.
fn url_password(text: &[u8], end: usize, found: &mut dyn FnMut(usize, usize)) {
    let to = (end + 512).min(text.len());
    let mut colon = None;
    let mut last_at = None;
    let mut i = end;
    while i < to {
        match text[i] {
            b':' if colon.is_none() => colon = Some(i),
            b'@' => last_at = Some(i),
            b'/' | b'?' | b'#' if last_at.is_some() || colon.is_none() => break,
            // a password may hold these unescaped only if an @ follows before the next blank
            b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | b'|' | b')' | b']'
            | b',' | b';' | b'{' | 0x1b => break,
            _ => {}
        }
        i += 1;
    }
    let Some(colon) = colon else { return };
    let Some(at) = last_at else {
        // cut off before the host: `amqps://svc:Copp... [truncated`
        let mut e = i;
        while e > colon && matches!(text[e - 1], b'.' | b' ') {
            e -= 1;
        }
        let cut = text[e..].starts_with(b"...") || text[i..].starts_with("…".as_bytes());
        let port = text[colon + 1..e].iter().all(|c| c.is_ascii_digit() || *c == b'/');
        let login = text[end..colon].iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'));
        if cut && !port && login && e > colon + 3 {
            found(colon + 1, e);
        }
        return;
    };
    if colon >= at
        || at + 1 >= text.len()
        || !(text[at + 1].is_ascii_alphanumeric() || matches!(text[at + 1], b'[' | b'_' | b'$' | b'(' | b'<'))
    {
        return;
    }
    let Ok(pass) = std::str::from_utf8(&text[colon + 1..at]) else { return };
    let Ok(user) = std::str::from_utf8(&text[end..colon]) else { return };
    if pass.is_empty() || stand_in(pass, user) {
        return;
    }
    // `host:8080/@x` is a path, not a login
    if pass.bytes().take_while(u8::is_ascii_digit).count() > 0 && pass.contains('/') {
        return;
    }
    // an opaque user name is half of the credential
    let opaque = user.len() >= 8 && user.bytes().any(|b| b.is_ascii_digit());
    found(if opaque { end } else { colon + 1 }, at);
}

/// Schemes whose servers are somebody's own, and not a public site.
const SERVER_SCHEMES: &[&[u8]] = &[
    b"postgres",
    b"postgresql",
    b"mysql",
    b"mariadb",
    b"mongodb",
    b"srv",
    b"redis",
    b"rediss",
    b"amqp",
    b"amqps",
    b"mssql",
    b"sqlserver",
    b"clickhouse",
    b"cockroachdb",
    b"oracle",
    b"kafka",
    b"nats",
    b"mqtt",
    b"mqtts",
    b"smtp",
    b"smtps",
    b"imap",
    b"imaps",
    b"ldap",
    b"ldaps",
    b"ftp",
    b"sftp",
    b"ssh",
    b"couchdb",
    b"neo4j",
    b"bolt",
    b"snowflake",
    b"redshift",
    b"psycopg",
    b"psycopg2",
    b"asyncpg",
    b"pymysql",
    b"valkey",
    b"memcached",
    b"elasticsearch",
];

/// The keyword is `://`, from `start` to `end`.
fn url_host(text: &[u8], start: usize, end: usize, found: &mut dyn FnMut(usize, usize)) {
    let scheme = text[..start].iter().rev().take(16).take_while(|b| b.is_ascii_alphanumeric()).count();
    let scheme = text[start - scheme..start].to_ascii_lowercase();
    if !SERVER_SCHEMES.contains(&scheme.as_slice()) {
        return;
    }
    let stop = |b: &u8| {
        b.is_ascii_whitespace()
            || matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | b')' | 0x1b)
    };
    let authority = &text[end..(end + 400).min(text.len())];
    let authority = &authority[..authority.iter().position(stop).unwrap_or(authority.len())];
    let Some(at) = authority.iter().rposition(|b| *b == b'@') else { return };
    let mut opened = false;
    url_password(text, end, &mut |_, _| opened = true);
    if !opened {
        return;
    }
    // several hosts may stand there, each with its port
    let mut from = end + at + 1;
    for host in authority[at + 1..].split(|b| *b == b',') {
        let name = &host[..host.iter().position(|b| *b == b':').unwrap_or(host.len())];
        let dotted = name.contains(&b'.')
            && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            && name.iter().any(u8::is_ascii_alphabetic);
        let shown = name.windows(7).any(|w| w.eq_ignore_ascii_case(b"example")) || name.ends_with(b".local");
        if dotted && !shown {
            found(from, from + name.len());
        }
        from += host.len() + 1;
    }
}

/// Passwords that every manual shows.
fn stand_in(pass: &str, user: &str) -> bool {
    let p = pass.to_ascii_lowercase();
    value_shape::is_placeholder_value(pass) && !(pass.contains("here") && pass.len() > 12)
        || p == user.to_ascii_lowercase() && p.len() < 12
        || p.starts_with('$')
        || p.len() <= 4 && p.bytes().all(|b| b.is_ascii_lowercase())
        || p.starts_with('{')
        || p.starts_with('<')
        || p.starts_with('%') && p.ends_with('%')
}

fn pem(text: &[u8], start: usize, found: &mut dyn FnMut(usize, usize)) {
    let cap = (start + LONGEST_BLOCK).min(text.len());
    let head = &text[start..cap];
    let line = head.iter().position(|b| matches!(b, b'\n' | b'\\')).unwrap_or(head.len().min(120)).min(120);
    // `PRIVATE KEY` must stand in the header; public keys and certificates are harmless
    let Some(p) = head[..line].windows(11).position(|w| w == b"PRIVATE KEY") else { return };
    let Some(dashes) = head[p..].windows(5).take(32).position(|w| w == b"-----") else { return };
    let body = p + dashes + 5;
    if let Some(e) = head[body..].windows(9).position(|w| w == b"-----END ") {
        let footer = body + e;
        // no other block may begin in between
        if !head[body..footer].windows(11).any(|w| w == b"-----BEGIN ") {
            let close = head[footer + 9..].windows(5).take(64).position(|w| w == b"-----");
            let end = close.map_or(footer + 9, |c| footer + 9 + c + 5);
            if plausible_key(&head[body..footer]) {
                found(start, start + end);
            }
            return;
        }
    }
    // cut off: to the end of what still looks like the body
    let mut i = body;
    let mut last = body;
    let mut word = 0usize;
    while i < head.len() {
        let b = head[i];
        if b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=') {
            word += 1;
            if word >= 16 || b == b'=' {
                last = i + 1;
            }
        } else if matches!(
            b,
            b'\n' | b'\r' | b' ' | b'\t' | b'\\' | b'"' | b',' | b'|' | b'-' | b':' | b'.' | b'>'
        ) {
            if b != b'\\' {
                word = 0;
            }
            if i - last > 160 {
                break;
            }
        } else {
            break;
        }
        i += 1;
    }
    // the rest of a line that was cut: a few characters that no word looks like
    if head.get(last) == Some(&b'\n') {
        let rest = &head[last + 1..];
        let run = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        let mixed = value_shape::Mix::of(&rest[..run]);
        if run < 16
            && matches!(rest.get(run), None | Some(b'\n' | b'.'))
            && mixed.digit > 0
            && mixed.letters() > 0
        {
            last += 1 + run;
        }
    }
    if plausible_key(&head[body..last]) {
        found(start, start + last);
    }
}

fn plausible_key(body: &[u8]) -> bool {
    let n = body.iter().filter(|b| b.is_ascii_alphanumeric()).count();
    if n < 16 {
        return false;
    }
    let mut distinct = [false; 256];
    for b in body {
        distinct[usize::from(*b)] = true;
    }
    distinct.iter().filter(|d| **d).count() > 12
}
