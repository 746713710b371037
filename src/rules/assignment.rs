//! `name = value` in all its spellings, started from a keyword inside the name.
//!
//! One hand-written matcher instead of a regex with optional parts: it looks left and right of the keyword for the
//! whole name, then for a separator (`=` `:` `=>` `:=`, a type annotation, `","`, a flag's blank, ` is `), then for
//! the value, and decides by the shape of both.

use super::separators::{self, Separator};
use super::value_shape::{self, Mix};
use super::word_lists::{NAME_DENY, NAME_TAILS};

/// What values count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// People's passwords: short ones, words with digits or symbols.
    Password,
    /// Tokens and secrets: random, or long enough.
    Token,
    /// Names that end in a bare `key`: only clearly random values.
    Key,
    /// Names of providers, alone or with a word such as `prod`: only clearly random values of some length.
    Vendor,
}

impl Mode {
    pub fn named(name: &str) -> Option<Mode> {
        Some(match name {
            "assign_password" => Mode::Password,
            "assign_token" => Mode::Token,
            "assign_key" => Mode::Key,
            "assign_vendor" => Mode::Vendor,
            _ => return None,
        })
    }
}

const MAX_NAME: usize = 80;
const MAX_VALUE: usize = 4096;

fn name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')
}

/// The value's span, when a sensitive value is assigned to the name around the keyword at `[ks, ke)`.
pub(crate) fn at(text: &[u8], ks: usize, ke: usize, mode: Mode) -> Option<(usize, usize)> {
    // a keyword may bring its separator along, to be rare enough: `_pw=`
    let mut ke = ke;
    while ke > ks && !name_byte(text[ke - 1]) && text[ke - 1] < 0x80 {
        ke -= 1;
    }
    let mut ns = ks;
    while ns > 0 && ks - ns < MAX_NAME && name_byte(text[ns - 1]) {
        ns -= 1;
    }
    let mut ne = ke;
    while ne < text.len() && ne - ke < 24 && name_byte(text[ne]) {
        ne += 1;
    }
    // a sentence's full stop or a method call is not part of the name
    while ne > ke && matches!(text[ne - 1], b'.' | b'-') {
        ne -= 1;
    }
    if text[ne..].starts_with(b"--") {
        return None;
    }
    // `ks` must start a word of the name: after a separator, at a case change, or at its start
    if ks > ns && mode != Mode::Password {
        let (before, first) = (text[ks - 1], text[ks]);
        let boundary = !before.is_ascii_alphanumeric()
            || before.is_ascii_digit()
            || (before.is_ascii_lowercase() && first.is_ascii_uppercase());
        let upper = first.is_ascii_uppercase() == before.is_ascii_uppercase();
        if !boundary && mode == Mode::Key && upper {
            return None;
        }
    }
    if mode == Mode::Vendor && (ks > ns && text[ks - 1].is_ascii_lowercase() && text[ks].is_ascii_lowercase())
    {
        return None;
    }
    let name = lower(&text[ns..ne]);
    if !tail_ok(&text[ke..ne]) || NAME_DENY.list().iter().any(|d| name.contains(d)) {
        return None;
    }
    let at = After::of(text, ns, ne)?;
    let (vs, ve, quoted) = value(text, &at)?;
    // `PASSWORD='xPASSWORD='`: another assignment whose value is not there
    if let Some(head) = text[vs..ve].strip_suffix(b"=")
        && head.len() >= ke - ks
        && head[head.len() - (ke - ks)..].eq_ignore_ascii_case(&text[ks..ke])
    {
        return None;
    }
    accept(text, &name, &at, vs, ve, quoted, mode).then_some((vs, ve))
}

fn lower(b: &[u8]) -> String {
    let mut s = String::with_capacity(b.len() + 4);
    let mut last = b'_';
    for c in b {
        // camelCase reads as snake_case
        if c.is_ascii_uppercase() && last.is_ascii_lowercase() {
            s.push('_');
        }
        s.push(if *c == b'-' || *c == b'.' { '_' } else { char::from(c.to_ascii_lowercase()) });
        last = *c;
    }
    s
}

fn tail_ok(tail: &[u8]) -> bool {
    if tail.is_empty() {
        return true;
    }
    let t = lower(tail);
    let t = t.trim_start_matches('_');
    t.split('_').all(|p| {
        let w = p.trim_end_matches(|c: char| c.is_ascii_digit());
        w.is_empty() || NAME_TAILS.has(w)
    }) && !(tail == b"s" || tail == b"S")
}

/// How name and value are joined.
#[derive(Debug, Clone, Copy)]
struct After {
    /// Where the value (or its quote) begins.
    at: usize,
    /// A blank, ` is ` or the like joins them: weak.
    prose: bool,
    /// `KEY=value` at the start of a line with an upper-case name, or a flag.
    env: bool,
    /// `<name>value`.
    xml: bool,
    /// The name is written as a variable of the environment: `SOME_TOKEN`.
    constant: bool,
}

impl After {
    fn of(text: &[u8], ns: usize, ne: usize) -> Option<After> {
        let n = text.len();
        let upper = text[ns..ne].iter().any(u8::is_ascii_uppercase)
            && !text[ns..ne].iter().any(u8::is_ascii_lowercase);
        let line_start = ns == 0 || matches!(text[ns - 1], b'\n' | b' ' | b'\t' | b'+' | b'-' | b'"' | b'\'');
        let flag = text[ns] == b'-';
        let prefix =
            text[..ns].iter().rev().skip(1).take(12).take_while(|b| b.is_ascii_alphanumeric()).count();
        let xml_open = ns > 0
            && (text[ns - 1] == b'<'
                || text[ns - 1] == b':' && prefix > 0 && text[..ns - 1 - prefix].ends_with(b"<"));
        let constant = upper && text[ns..ne].contains(&b'_');
        let mut i = ne;
        if xml_open && i < n && text[i] == b'>' {
            return Some(After { at: i + 1, prose: false, env: false, xml: true, constant });
        }
        let mut closed = false;
        // closing quotes and brackets of the name: `"name"`, `['name']`, `\"name\"`
        while i < n && i - ne < 6 && matches!(text[i], b'"' | b'\'' | b'`' | b']' | b'\\' | b'*') {
            closed = true;
            i += 1;
        }
        let gap = i;
        while i < n && i - gap < 24 && matches!(text[i], b' ' | b'\t') {
            i += 1;
        }
        if i >= n {
            return None;
        }
        let done = |at: usize, prose: bool| {
            Some(After { at, prose, env: upper && line_start || flag, xml: false, constant })
        };
        match separators::find(text, ns, ne, gap, i, closed, constant) {
            Some(Separator::Strong(at)) => {
                return Some(After { at, prose: false, env: constant, xml: false, constant });
            }
            Some(Separator::Markup(at)) => {
                return Some(After { at, prose: false, env: false, xml: true, constant });
            }
            Some(Separator::Weak(at)) => {
                return Some(After { at, prose: true, env: false, xml: false, constant });
            }
            None => {}
        }
        match text[i] {
            b'=' => {
                i += 1;
                if i < n && matches!(text[i], b'>' | b'=' | b'~') {
                    i += 1;
                    if i < n && text[i] == b'=' {
                        i += 1;
                    }
                }
                done(blank(text, i), false)
            }
            b':' => {
                i += 1;
                if i < n && text[i] == b':' {
                    return None;
                }
                if i < n && text[i] == b'=' {
                    i += 1;
                }
                let v = blank(text, i);
                if let Some(v) = separators::block_scalar(text, v) {
                    return done(v, true);
                }
                // `name: String = "value"`, `name: &str = …`
                if let Some(eq) = annotation(text, v) {
                    return done(eq, false);
                }
                done(v, false)
            }
            b'!' if text.get(i + 1) == Some(&b'=') => done(blank(text, i + 2), false),
            b',' if closed => {
                // `set("NAME", "value")`, `{"name": "X", "value": "y"}`
                let mut j = blank(text, i + 1);
                if text.get(j) == Some(&b'{') {
                    j = blank(text, j + 1);
                }
                named_value(text, j)
                    .map_or_else(|| quote_at(text, j).and_then(|_| done(j, false)), |j| done(j, false))
            }
            b'\n' | b'\r' => named_value(text, blank_lines(text, i)).and_then(|j| done(j, false)),
            b'(' | b'{' | b';' | b'.' | b')' | b'}' | b'/' | b'>' | b'[' | b'&' | b'?' => None,
            b'|' => done(blank(text, i + 1), true),
            _ if gap == i => {
                separators::word(text, i).filter(|_| !text[i].is_ascii()).and_then(|v| done(v, true))
            }
            _ => {
                // a blank came first
                if let Some(j) = named_value(text, i) {
                    return done(j, false);
                }
                // Visual Basic: `Dim x As String = "v"`
                if let Some(eq) = text[i..].starts_with(b"As ").then(|| annotation(text, i + 3)).flatten() {
                    return done(eq, false);
                }
                if closed && text[i] != b'v' {
                    return separators::word(text, i).and_then(|v| done(v, true));
                }
                if separators::set_before(text, ns) {
                    return done(i, false);
                }
                // Go: `var x string = "v"`; Rust and TS annotations were handled above
                if let Some(eq) = annotation(text, i) {
                    return done(eq, false);
                }
                if flag || (upper && matches!(text[i], b'"' | b'\'')) {
                    return done(i, false);
                }
                if let Some(v) = separators::word(text, i) {
                    return done(v, true);
                }
                if matches!(text[i], b'"' | b'\'' | b'`') {
                    return done(i, true);
                }
                prose_far(text, i).and_then(|j| done(j, true)).or_else(|| done(i, true))
            }
        }
    }
}

/// `… for now: VALUE`, `… for staging is VALUE` further on in the same sentence.
fn prose_far(text: &[u8], from: usize) -> Option<usize> {
    let to = (from + 48).min(text.len());
    let mut i = from;
    while i + 2 < to {
        match text[i] {
            b'\n' | b'"' | b';' | b'=' | b'(' | b'{' => return None,
            b':' if text[i + 1] == b' ' || text[i + 1] == b'\n' => return Some(blank(text, i + 1)),
            b' ' if text[i..].starts_with(b" is ") => return Some(blank(text, i + 4)),
            _ => i += 1,
        }
    }
    None
}

fn blank(text: &[u8], mut i: usize) -> usize {
    let from = i;
    while i < text.len() && i - from < 32 && matches!(text[i], b' ' | b'\t') {
        i += 1;
    }
    i
}

fn blank_lines(text: &[u8], mut i: usize) -> usize {
    let from = i;
    while i < text.len() && i - from < 64 && matches!(text[i], b' ' | b'\t' | b'\n' | b'\r' | b'-') {
        i += 1;
    }
    i
}

fn quote_at(text: &[u8], i: usize) -> Option<u8> {
    text.get(i).copied().filter(|b| matches!(b, b'"' | b'\'' | b'`'))
}

/// `value: x`, `value="x"`, `"value": "x"` beside a name given as a value.
fn named_value(text: &[u8], i: usize) -> Option<usize> {
    let mut j = i + usize::from(quote_at(text, i).is_some());
    let word = text.get(j..j + 5)?;
    if !word.eq_ignore_ascii_case(b"value") {
        return None;
    }
    j += 5;
    j += usize::from(quote_at(text, j).is_some());
    j = blank(text, j);
    if !matches!(text.get(j), Some(b':' | b'=')) {
        return None;
    }
    Some(blank(text, j + 1))
}

/// A type between name and value: `string = `, `&str = `, `Option<String> = Some(`.
fn annotation(text: &[u8], i: usize) -> Option<usize> {
    let to = (i + 40).min(text.len());
    let mut j = i;
    if !text.get(j).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'&' || *b == b'*') {
        return None;
    }
    while j < to
        && (text[j].is_ascii_alphanumeric()
            || matches!(text[j], b'&' | b'<' | b'>' | b'\'' | b'_' | b'[' | b']' | b'*' | b'.'))
    {
        j += 1;
    }
    let spaced = blank(text, j);
    if spaced == j || text.get(spaced) != Some(&b'=') || text.get(spaced + 1) == Some(&b'=') {
        return None;
    }
    let v = blank(text, spaced + 1);
    quote_at(text, v).map(|_| v)
}

/// The value's span and its quote.
fn value(text: &[u8], after: &After) -> Option<(usize, usize, Option<u8>)> {
    let n = text.len();
    let mut s = after.at;
    // string prefixes and wrappers: r"…", b'…', Some("…"), String::from("…")
    for wrap in [&b"Some("[..], b"String::from(", b"SecretStr(", b"Secret::new(", b"str("] {
        if text[s.min(n)..].starts_with(wrap) && quote_at(text, s + wrap.len()).is_some() {
            s += wrap.len();
        }
    }
    if s + 1 < n && matches!(text[s], b'r' | b'b' | b'f' | b'@') && quote_at(text, s + 1).is_some() {
        s += 1;
    }
    let mut quote = quote_at(text, s);
    if quote.is_some() {
        s += 1;
        // `"""…"""`
        if text.get(s) == quote.as_ref() && text.get(s + 1) == quote.as_ref() {
            s += 2;
        }
    } else if text.get(s) == Some(&b'\\') && quote_at(text, s + 1).is_some() {
        quote = Some(b'\\');
        s += 2;
    }
    // a scheme word of a header belongs to the syntax
    for scheme in [&b"Bearer "[..], b"bearer ", b"Token ", b"token ", b"Basic ", b"Bot ", b"ApiKey "] {
        if text.get(s..).is_some_and(|t| t.starts_with(scheme)) {
            s += scheme.len();
        }
    }
    let to = (s + MAX_VALUE).min(n);
    let mut e = s;
    match quote {
        Some(b'\\') => {
            while e < to && !matches!(text[e], b'\\' | b'"' | b'\n') {
                e += 1;
            }
        }
        Some(q) => {
            while e < to && text[e] != q && text[e] != b'\n' {
                e += if text[e] == b'\\' && e + 1 < to { 2 } else { 1 };
            }
            e = e.min(to);
            // no closing quote on the line: a cut-off text, or not a string at all
            if e >= n || text[e] != q {
                e = s;
                while e < to && !matches!(text[e], b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'\\')
                {
                    e += 1;
                }
            }
        }
        None => {
            while e < to {
                let b = text[e];
                if matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'<' | b'\\' | 0x1b | 0) {
                    break;
                }
                if matches!(b, b'&' | b';' | b',' | b'|' | b')' | b'}' | b']')
                    && !(after.env && matches!(b, b'&' | b','))
                {
                    // inside a password these may stand, at its end they are syntax
                    let next = text.get(e + 1).copied().unwrap_or(b' ');
                    if matches!(b, b'&' | b';')
                        || next.is_ascii_whitespace()
                        || matches!(next, b'"' | b'\'' | b';' | b',' | b')' | b'}' | b']' | b'\\' | b'{')
                    {
                        break;
                    }
                    if matches!(b, b',' | b')' | b'}' | b']') && !after.env {
                        break;
                    }
                }
                e += 1;
            }
            while e > s && matches!(text[e - 1], b'.' | b',' | b';' | b':' | b')' | b'?') {
                e -= 1;
            }
        }
    }
    // an ellipsis marks a cut, it is not part of the value
    for mark in [&b"..."[..], "…".as_bytes()] {
        if let Some(p) = text[s..e].windows(mark.len()).position(|w| w == mark) {
            e = s + p;
        }
    }
    (e > s).then_some((s, e, quote))
}

fn accept(text: &[u8], name: &str, after: &After, s: usize, e: usize, quote: Option<u8>, mode: Mode) -> bool {
    let Ok(v) = std::str::from_utf8(&text[s..e]) else { return mode == Mode::Password };
    let m = Mix::of(v.as_bytes());
    if v.len() < 4 || value_shape::is_placeholder_value(v) || m.other * 2 > v.len() {
        return false;
    }
    let b = v.as_bytes();
    // markup, code, paths, sentences
    if quote.is_none()
        && (v.contains('(')
            && (v.contains("()") || v.contains(")") || b[0].is_ascii_lowercase())
            && !after.env
            || v.ends_with('{')
            || v.contains("::")
            || v.contains("=>"))
    {
        return false;
    }
    if v.starts_with("http://")
        || v.starts_with("https://")
        || v.starts_with("./")
        || v.starts_with("../")
        || v.starts_with("~/")
        || v.starts_with("-----BEGIN")
        || v.starts_with("/etc/")
        || v.starts_with("/run/")
        || v.starts_with("/home/")
        || v.starts_with("/var/")
        || v.starts_with("/tmp/")
    {
        return false;
    }
    if v.starts_with("ssh-")
        || v.starts_with("pk_live_")
        || v.starts_with("pk_test_")
        || v.starts_with("ref:")
    {
        return false;
    }
    let next = text.get(e).copied().unwrap_or(b'\n');
    if quote.is_none() && (matches!(next, b'(' | b'[') || text[e..].starts_with(b"::")) {
        return false;
    }
    // a type between a name and its value: `const TOKEN_KIND: TOKEN_TYPE_2 = 1`
    let gap = blank(text, e);
    if quote.is_none() && gap > e && text.get(gap) == Some(&b'=') && text.get(gap + 1) != Some(&b'=') {
        return false;
    }
    let random = value_shape::looks_random(v);
    match mode {
        Mode::Password => {
            if m.space > 0 {
                // a passphrase in quotes must still not be a sentence
                return quote.is_some()
                    && m.digit > 0
                    && m.space <= 3
                    && !v.ends_with('.')
                    && v.len() >= 12
                    && m.symbol > 0
                    && !after.prose;
            }
            let mixed = m.digit > 0 && m.letters() > 0;
            let strong = mixed || (m.symbol > 0 && m.letters() > 0 && (m.upper > 0 && m.lower > 0)) || random;
            if after.prose {
                return strong && v.len() >= 6 && !ident_ref(v) && (m.digit > 0 || random);
            }
            if strong && !code_ref(v, quote, after) {
                return v.len() >= 5;
            }
            if m.letters() == 0 {
                return v.len() >= 6 && m.digit >= 6 && (quote.is_some() || after.env);
            }
            // a bare word counts in an environment file or a quoted password field of data, if nothing says otherwise
            after.env && quote.is_none() && v.len() >= 8 && !value_shape::looks_wordy(v)
        }
        Mode::Vendor => {
            random
                && !after.prose
                && v.len() >= 16
                && m.digit > 0
                && m.symbol * 4 <= v.len()
                && !value_shape::counts_up(v)
                // the name of a constant or a type
                && !(m.lower == 0 && v.contains('_'))
                && !v.contains(['(', '{', '[', ':', '@'])
                && !v.contains("//")
                && !(v.len() == 40 && v.bytes().all(|b| b.is_ascii_hexdigit()) && name.contains("commit"))
        }
        Mode::Token | Mode::Key => {
            if m.space > 0 || v.len() < 8 {
                return false;
            }
            if value_shape::is_uuid(v) {
                return mode == Mode::Token && (!after.prose || after.constant);
            }
            if after.prose {
                return random && v.len() >= 16 && m.digit > 0;
            }
            if v.contains('/') && value_shape::looks_wordy(v) || code_ref(v, quote, after) {
                return false;
            }
            if random {
                return mode == Mode::Token || v.len() >= 16 && (m.digit > 0 || v.len() >= 24);
            }
            if m.letters() == 0 {
                return mode == Mode::Token
                    && m.symbol == 0
                    && (v.len() >= 15 || v.len() >= 10 && quote.is_some());
            }
            // `JWT_SECRET=super-secret-2024!`: words with digits in an environment file
            mode == Mode::Token
                && m.digit > 0
                && (name.contains("secret") && (after.env || m.symbol > 0 && m.upper > 0)
                    || !value_shape::looks_wordy(v) && v.len() >= 10 && value_shape::entropy(b) > 2.5)
        }
    }
}

/// A reference to a variable or member rather than a value: `self.password`, `config.db.pass`, `user_password1`.
fn code_ref(v: &str, quote: Option<u8>, after: &After) -> bool {
    if quote.is_some() || after.env || after.xml {
        return false;
    }
    ident_ref(v)
}

fn ident_ref(v: &str) -> bool {
    // a method's mark stands at its end, and such a name has no digits: `save!`, but not `Summer_2031!`
    let marked = v.trim_end_matches(['?', '!', '*']);
    let ident = (marked.len() == v.len() || !v.bytes().any(|b| b.is_ascii_digit()))
        && marked.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        && v.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    ident
        && value_shape::looks_wordy(v)
        && (v.contains('.') || v.contains('_') || !v.bytes().any(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str, key: &str, mode: Mode) -> Option<String> {
        let ks = text.to_ascii_lowercase().find(key)?;
        at(text.as_bytes(), ks, ks + key.len(), mode).map(|(s, e)| text[s..e].to_owned())
    }

    #[test]
    fn spellings_of_an_assignment() {
        let v = ["Copper", "-lantern", "-440"].concat();
        for t in [
            format!("DB_PASSWORD={v}\n"),
            format!("password: \"{v}\""),
            format!("{{\"password\":\"{v}\"}}"),
            format!("password => '{v}'"),
            format!("os.environ[\"PASSWORD\"] = '{v}'"),
            format!("var password string = \"{v}\""),
            format!("<password>{v}</password>"),
            format!("set(\"PASSWORD\", \"{v}\")"),
            format!("- name: PASSWORD\n  value: {v}\n"),
            format!("--password {v} --x"),
            format!("the password is {v} ok"),
        ] {
            assert_eq!(find(&t, "password", Mode::Password).as_deref(), Some(v.as_str()), "{t}");
        }
    }

    #[test]
    fn code_and_words_are_left() {
        for t in [
            "password: string;",
            "password=password",
            "password = getpass()",
            "password: self.password",
            "TOKEN=production",
            "passwordField: \"Passwort1\"",
            "password: Please enter it",
            "token = get_token(x1)",
            "password = os.environ[\"X1\"]",
            "password='x1password='",
        ] {
            let key = if t.to_lowercase().contains("password") { "password" } else { "token" };
            let mode = if key == "password" { Mode::Password } else { Mode::Token };
            assert_eq!(find(t, key, mode), None, "{t}");
        }
    }
}
