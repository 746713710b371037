//! Hand-written matchers for what a regex expresses badly: cookies, passwords in URLs and PEM blocks.

use serde::Deserialize;

use super::word_lists::SERVER_SCHEMES;
use super::{placeholder_value, value_shape};

/// A hand-written matcher, which the engine runs at a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HandMatcher {
    /// `Cookie:` and `Set-Cookie:` lines: each value that looks like a session id.
    Cookie,
    /// The password in `scheme://user:password@host`.
    UrlPassword,
    /// The host of a database, broker or mail server in a URL that contains a login.
    UrlHost,
    /// `-----BEGIN … PRIVATE KEY-----`, whole or truncated, with its lines joined in any way.
    Pem,
}

/// Maximum length of a key block that is read, in bytes. No matcher looks further ahead, which bounds the memory of a
/// stream scan.
pub(crate) const MAX_BLOCK_BYTES: usize = 24 * 1024;

/// Bytes of a cookie line that are read.
const MAX_COOKIE_BYTES: usize = 8192;

/// Bytes of a URL after `://` that are searched for a login.
const MAX_LOGIN_BYTES: usize = 512;

/// Runs a matcher at the keyword `[start, end)` and calls `found` with each span.
pub(crate) fn find(
    matcher: HandMatcher,
    text: &[u8],
    start: usize,
    end: usize,
    found: &mut dyn FnMut(usize, usize),
) {
    match matcher {
        HandMatcher::Cookie => cookie(text, end, found),
        HandMatcher::UrlPassword => found_url_password(text, end, found),
        HandMatcher::UrlHost => url_host(text, start, end, found),
        HandMatcher::Pem => pem(text, start, found),
    }
}

/// Cookie attributes and settings whose values are not secret.
const COOKIE_ATTRIBUTES: &[&[u8]] =
    &[b"path", b"domain", b"expires", b"max-age", b"samesite", b"theme", b"lang", b"locale"];

/// Parts of a cookie's name that say that its value is a session or a login.
const SESSION_NAMES: &[&[u8]] =
    &[b"sess", b"sid", b"auth", b"token", b"jwt", b"csrf", b"xsrf", b"remember", b"login", b"user"];

/// Reads `name=value; name=value` after the keyword that ends at `end`.
fn cookie(text: &[u8], end: usize, found: &mut dyn FnMut(usize, usize)) {
    let to = (end + MAX_COOKIE_BYTES).min(text.len());
    let mut i = end;
    // The header may be a JSON field: `"cookie": "a=b"`.
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
        if !COOKIE_ATTRIBUTES.contains(&key.as_slice()) && is_session_value(&text[value..i], &key) {
            found(value, i);
        }
        while i < to && matches!(text[i], b';' | b' ') {
            i += 1;
        }
    }
}

/// Whether a cookie's value is a session id: `sid=8f3c…` by its name, any other only if it is long and random.
fn is_session_value(value: &[u8], key: &[u8]) -> bool {
    let Ok(v) = std::str::from_utf8(value) else { return false };
    if placeholder_value::is_placeholder_value(v) {
        return false;
    }
    if SESSION_NAMES.iter().any(|k| key.windows(k.len()).any(|w| w == *k)) {
        v.len() >= 8 && v.bytes().any(|b| b.is_ascii_digit()) && (value_shape::entropy(value) > 2.5)
    } else {
        v.len() >= 20 && value_shape::looks_random(v)
    }
}

fn found_url_password(text: &[u8], end: usize, found: &mut dyn FnMut(usize, usize)) {
    if let Some((start, end)) = url_password(text, end) {
        found(start, end);
    }
}

/// Finds the password of a URL whose `://` ends at `from`.
///
/// A password may contain `/`, `:` and even `@`, so the login ends at the last `@` before a space, a quote or a
/// bracket: in `postgres://app:p/ss@w0rd@db/x` the password is `p/ss@w0rd`.
fn url_password(text: &[u8], from: usize) -> Option<(usize, usize)> {
    let to = (from + MAX_LOGIN_BYTES).min(text.len());
    let mut colon = None;
    let mut last_at = None;
    let mut i = from;
    while i < to {
        match text[i] {
            b':' if colon.is_none() => colon = Some(i),
            b'@' => last_at = Some(i),
            b'/' | b'?' | b'#' if last_at.is_some() || colon.is_none() => break,
            b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | b'|' | b')' | b']'
            | b',' | b';' | b'{' | 0x1b => break,
            _ => {}
        }
        i += 1;
    }
    let colon = colon?;
    let Some(at) = last_at else { return cut_url_password(text, from, colon, i) };
    if colon >= at
        || at + 1 >= text.len()
        || !(text[at + 1].is_ascii_alphanumeric() || matches!(text[at + 1], b'[' | b'_' | b'$' | b'(' | b'<'))
    {
        return None;
    }
    let password = std::str::from_utf8(&text[colon + 1..at]).ok()?;
    let user = std::str::from_utf8(&text[from..colon]).ok()?;
    if password.is_empty() || is_example_password(password, user) {
        return None;
    }
    // `host:8080/@x` is a port and a path, not a login.
    if password.bytes().take_while(u8::is_ascii_digit).count() > 0 && password.contains('/') {
        return None;
    }
    // An opaque user name is half of the credential.
    let opaque = user.len() >= 8 && user.bytes().any(|b| b.is_ascii_digit());
    Some((if opaque { from } else { colon + 1 }, at))
}

/// Finds a password that was cut off before its host: `amqps://svc:Copp... [truncated`.
fn cut_url_password(text: &[u8], from: usize, colon: usize, to: usize) -> Option<(usize, usize)> {
    let mut end = to;
    while end > colon && matches!(text[end - 1], b'.' | b' ') {
        end -= 1;
    }
    let cut = text[end..].starts_with(b"...") || text[to..].starts_with("…".as_bytes());
    let port = text[colon + 1..end].iter().all(|c| c.is_ascii_digit() || *c == b'/');
    let login = text[from..colon].iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'));
    (cut && !port && login && end > colon + 3).then_some((colon + 1, end))
}

/// Finds the hosts of a URL with a login; its `://` is `[start, end)`.
fn url_host(text: &[u8], start: usize, end: usize, found: &mut dyn FnMut(usize, usize)) {
    let scheme = text[..start].iter().rev().take(16).take_while(|b| b.is_ascii_alphanumeric()).count();
    let scheme = String::from_utf8_lossy(&text[start - scheme..start]).to_ascii_lowercase();
    if !SERVER_SCHEMES.has(&scheme) {
        return;
    }
    let stop = |b: &u8| {
        b.is_ascii_whitespace()
            || matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | b')' | 0x1b)
    };
    let authority = &text[end..(end + 400).min(text.len())];
    let authority = &authority[..authority.iter().position(stop).unwrap_or(authority.len())];
    let Some(at) = authority.iter().rposition(|b| *b == b'@') else { return };
    if url_password(text, end).is_none() {
        return;
    }
    // A URL may list several hosts, each with its port.
    let mut from = end + at + 1;
    for host in authority[at + 1..].split(|b| *b == b',') {
        let name = &host[..host.iter().position(|b| *b == b':').unwrap_or(host.len())];
        let dotted = name.contains(&b'.')
            && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            && name.iter().any(u8::is_ascii_alphabetic);
        let example =
            name.windows(7).any(|w| w.eq_ignore_ascii_case(b"example")) || name.ends_with(b".local");
        if dotted && !example {
            found(from, from + name.len());
        }
        from += host.len() + 1;
    }
}

/// Whether the password of a URL is an example: `user:password@`, `postgres:postgres@`, `$USER:$PASS@`, `root:root@`.
fn is_example_password(password: &str, user: &str) -> bool {
    let p = password.to_ascii_lowercase();
    placeholder_value::is_placeholder_value(password) && !(password.contains("here") && password.len() > 12)
        || p == user.to_ascii_lowercase() && p.len() < 12
        || p.starts_with('$')
        || p.len() <= 4 && p.bytes().all(|b| b.is_ascii_lowercase())
        || p.starts_with('{')
        || p.starts_with('<')
        || p.starts_with('%') && p.ends_with('%')
}

/// Finds a private key block that begins at `start`; public keys and certificates are harmless.
fn pem(text: &[u8], start: usize, found: &mut dyn FnMut(usize, usize)) {
    let block = &text[start..(start + MAX_BLOCK_BYTES).min(text.len())];
    let header =
        block.iter().position(|b| matches!(b, b'\n' | b'\\')).unwrap_or(block.len().min(120)).min(120);
    let Some(label) = block[..header].windows(11).position(|w| w == b"PRIVATE KEY") else { return };
    let Some(dashes) = block[label..].windows(5).take(32).position(|w| w == b"-----") else { return };
    let body = label + dashes + 5;
    if let Some(e) = block[body..].windows(9).position(|w| w == b"-----END ") {
        let footer = body + e;
        // If another block begins before the footer, the footer belongs to that one and this block was cut.
        if !block[body..footer].windows(11).any(|w| w == b"-----BEGIN ") {
            let close = block[footer + 9..].windows(5).take(64).position(|w| w == b"-----");
            let end = close.map_or(footer + 9, |c| footer + 9 + c + 5);
            if is_key_body(&block[body..footer]) {
                found(start, start + end);
            }
            return;
        }
    }
    let end = cut_body_end(block, body);
    if is_key_body(&block[body..end]) {
        found(start, start + end);
    }
}

/// Finds the end of a key that was cut: where the text stops looking like base64 in lines.
///
/// The lines may be joined by anything that a log or a string literal puts between them (`\n`, quotes, `|`, `>`), so
/// only runs of 16 base64 characters or more advance the end.
fn cut_body_end(block: &[u8], body: usize) -> usize {
    let mut i = body;
    let mut end = body;
    let mut run = 0usize;
    while i < block.len() {
        let b = block[i];
        if b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=') {
            run += 1;
            if run >= 16 || b == b'=' {
                end = i + 1;
            }
        } else if matches!(
            b,
            b'\n' | b'\r' | b' ' | b'\t' | b'\\' | b'"' | b',' | b'|' | b'-' | b':' | b'.' | b'>'
        ) {
            if b != b'\\' {
                run = 0;
            }
            if i - end > 160 {
                break;
            }
        } else {
            break;
        }
        i += 1;
    }
    // The last line may be cut after a few characters; they belong to the key if no word looks like them.
    if block.get(end) == Some(&b'\n') {
        let rest = &block[end + 1..];
        let run = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        let counts = value_shape::CharCounts::of(&rest[..run]);
        if run < 16
            && matches!(rest.get(run), None | Some(b'\n' | b'.'))
            && counts.digit > 0
            && counts.letters() > 0
        {
            end += 1 + run;
        }
    }
    end
}

/// Whether the body of a block is a key: at least 16 characters, and not `xxxxxxxx` or a note such as `<redacted>`.
fn is_key_body(body: &[u8]) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn all(matcher: HandMatcher, text: &str, keyword: &str) -> Vec<String> {
        let start = text.find(keyword).unwrap();
        let mut out = Vec::new();
        find(matcher, text.as_bytes(), start, start + keyword.len(), &mut |s, e| {
            out.push(text[s..e].to_owned())
        });
        out
    }

    #[test]
    fn a_cookie_line_yields_its_session_values_only() {
        let sid = ["8f3c1b", "d07a2e"].concat();
        let text = format!("Cookie: theme=dark; sid={sid}; Path=/; lang=en-GB; seen=yes");
        assert_eq!(all(HandMatcher::Cookie, &text, "Cookie:"), [sid]);
    }

    #[test]
    fn a_url_password_ends_at_the_last_at_sign() {
        let password = ["w4/lnut", "@x9"].concat();
        let url = |login: &str| format!("postgres://{login}@db.host.io/x");
        assert_eq!(all(HandMatcher::UrlPassword, &url(&format!("app:{password}")), "://"), [password]);
        for login in ["user:password", "postgres:postgres", "app:$DB_PASS", "app:<pw>"] {
            assert!(all(HandMatcher::UrlPassword, &url(login), "://").is_empty(), "{login}");
        }
        assert!(all(HandMatcher::UrlPassword, "https://host.io:8080/@scope/pkg", "://").is_empty());
    }

    #[test]
    fn a_cut_url_password_is_found_before_its_ellipsis() {
        let cut = ["Copper", "9x"].concat();
        assert_eq!(all(HandMatcher::UrlPassword, &format!("amqps://svc:{cut}... [truncated"), "://"), [cut]);
        assert!(all(HandMatcher::UrlPassword, "http://host:8080...", "://").is_empty());
    }

    #[test]
    fn every_host_of_a_server_url_with_a_login_is_found() {
        let password = ["w4lnut", "Kz9"].concat();
        let text = format!("mongodb://app:{password}@a1.corp.io:27017,b2.corp.io:27017/x");
        assert_eq!(all(HandMatcher::UrlHost, &text, "://"), ["a1.corp.io", "b2.corp.io"]);
        assert!(all(HandMatcher::UrlHost, &text.replace("mongodb", "https"), "://").is_empty());
    }

    #[test]
    fn a_private_key_is_found_whole_or_cut_and_a_public_key_is_not() {
        let body = ["MIIEpAIBAAKCAQEAx7Zb3PqL", "k2R9vTnW4cYs8JdF"].concat();
        let begin = ["-----BEGIN RSA PRIVATE", " KEY-----"].concat();
        let whole = format!("{begin}\n{body}\n{}", begin.replace("BEGIN", "END"));
        assert_eq!(all(HandMatcher::Pem, &format!("x {whole} y"), "-----BEGIN "), [whole.as_str()]);
        let cut = format!("{begin}\n{body}");
        assert_eq!(
            all(HandMatcher::Pem, &format!("{cut}\nthe file ends here"), "-----BEGIN "),
            [cut.as_str()]
        );
        assert!(all(HandMatcher::Pem, &whole.replace("PRIVATE", "PUBLIC"), "-----BEGIN ").is_empty());
        assert!(
            all(HandMatcher::Pem, &format!("{begin}\nxxxxxxxxxxxxxxxxxxxxxxxx\n"), "-----BEGIN ").is_empty()
        );
    }
}
