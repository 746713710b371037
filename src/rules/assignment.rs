//! Finds the secret that is assigned to a name, in all the spellings of `name = value`.
//!
//! The engine calls [`find_value`] at each keyword (`password`, `token`, `api_key`). The matcher reads the whole name
//! around the keyword, then the separator after it (see `separators.rs`), then the value, and decides from the shape
//! of all three. It is written by hand because a regex with that many optional parts is slow and cannot say "this
//! value is a reference to a variable".
//!
//! - Found: `DB_PASSWORD=copper-lantern-440`, `{"apiKey": "gTq8WvB3rKzmYp5x"}`, `--token gTq8…`, `the password is w4lnut!`.
//! - Not touched: `password: string`, `token = get_token(x)`, `password = os.environ["X"]`, `max_tokens: 4096`.

use serde::Deserialize;

use super::name_value;
use super::neighbours::{quote_at, skip_blanks};
use super::next_line;
use super::placeholder_value;
use super::separators::{self, NameEnd, Separator};
use super::value_shape::{self, CharCounts};
use super::word_lists::{NAME_DENY, NAME_TAILS};

/// What the keyword in a name says about the value; decides how random a value has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum NameKind {
    /// A person's password: short values and words with digits or symbols count.
    #[serde(rename = "assign_password")]
    Password,
    /// A token or secret: the value must be random or long.
    #[serde(rename = "assign_token")]
    Token,
    /// A name that ends in a bare `key`: the value must be clearly random, because most keys are not secret.
    #[serde(rename = "assign_key")]
    Key,
    /// The name of a provider, alone or with a word such as `prod`: the value must be clearly random and long.
    #[serde(rename = "assign_vendor")]
    Vendor,
}

/// Maximum length of a part of a name before its keyword, in bytes.
const MAX_NAME_BYTES: usize = 80;
/// Maximum length of a part of a name after its keyword, in bytes.
const MAX_NAME_TAIL_BYTES: usize = 24;
const MAX_VALUE_BYTES: usize = 4096;

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')
}

/// Returns the span of the sensitive value that is assigned to the name around the keyword `[start, end)`.
pub(crate) fn find_value(text: &[u8], start: usize, end: usize, kind: NameKind) -> Option<(usize, usize)> {
    // A keyword that would be too common alone includes its separator, such as `_pw=`. The separator is read again below.
    let mut keyword_end = end;
    while keyword_end > start && !is_name_byte(text[keyword_end - 1]) && text[keyword_end - 1] < 0x80 {
        keyword_end -= 1;
    }
    let (name_start, name_end) = name_around(text, start, keyword_end)?;
    if !keyword_starts_word(text, name_start, start, kind) {
        return None;
    }
    let name = snake_case(&text[name_start..name_end]);
    if !tail_names_secret(&text[keyword_end..name_end]) || NAME_DENY.list().iter().any(|d| name.contains(d)) {
        return None;
    }
    let begin = match name_value::find(text, name_start, name_end) {
        Some(at) => {
            let constant = is_constant(&text[name_start..name_end]);
            ValueStart { at, weak: false, env: false, markup: false, constant, json: false }
        }
        None => ValueStart::locate(text, name_start, name_end)?,
    };
    let candidate = Candidate::read(text, &name, begin)?;
    // `PASSWORD='xPASSWORD='`: the "value" is another assignment whose own value is missing.
    let keyword = &text[start..keyword_end];
    if let Some(head) = candidate.bytes().strip_suffix(b"=")
        && head.len() >= keyword.len()
        && head[head.len() - keyword.len()..].eq_ignore_ascii_case(keyword)
    {
        return None;
    }
    candidate.is_secret(kind).then_some((candidate.start, candidate.end))
}

/// Returns the span of the name around the keyword `[start, end)`; `None` before `--`, which is a decrement.
fn name_around(text: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    let mut name_start = start;
    while name_start > 0 && start - name_start < MAX_NAME_BYTES && is_name_byte(text[name_start - 1]) {
        name_start -= 1;
    }
    let mut name_end = end;
    while name_end < text.len() && name_end - end < MAX_NAME_TAIL_BYTES && is_name_byte(text[name_end]) {
        name_end += 1;
    }
    // The full stop of a sentence or the dot of a method call is not part of the name.
    while name_end > end && matches!(text[name_end - 1], b'.' | b'-') {
        name_end -= 1;
    }
    (!text[name_end..].starts_with(b"--")).then_some((name_start, name_end))
}

/// Whether the keyword at `start` begins a word of its name, as far as the kind requires it.
///
/// `apiKey` and `api_key` end in the word `key`; `monkey` and `TURKEY` do not. Passwords have no such test, because
/// no other word ends in `password`.
fn keyword_starts_word(text: &[u8], name_start: usize, start: usize, kind: NameKind) -> bool {
    if start == name_start || kind == NameKind::Password {
        return true;
    }
    let (before, first) = (text[start - 1], text[start]);
    match kind {
        NameKind::Key => {
            let boundary = !before.is_ascii_alphanumeric()
                || before.is_ascii_digit()
                || (before.is_ascii_lowercase() && first.is_ascii_uppercase());
            let same_case = first.is_ascii_uppercase() == before.is_ascii_uppercase();
            boundary || !same_case
        }
        NameKind::Vendor => !(before.is_ascii_lowercase() && first.is_ascii_lowercase()),
        NameKind::Password | NameKind::Token => true,
    }
}

/// Writes a name in snake_case: `apiKey`, `api-key` and `api.key` become `api_key`.
fn snake_case(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut last = b'_';
    for b in name {
        if b.is_ascii_uppercase() && last.is_ascii_lowercase() {
            out.push('_');
        }
        out.push(if matches!(b, b'-' | b'.') { '_' } else { char::from(b.to_ascii_lowercase()) });
        last = *b;
    }
    out
}

/// Whether the part of a name after its keyword still names the secret itself.
///
/// `token_prod_2` and `password1` do; `token_count`, `password_field` and the plural `tokens` do not.
fn tail_names_secret(tail: &[u8]) -> bool {
    if tail.is_empty() {
        return true;
    }
    let name = snake_case(tail);
    name.trim_start_matches('_').split('_').all(|part| {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        word.is_empty() || NAME_TAILS.has(word)
    }) && !(tail == b"s" || tail == b"S")
}

/// Where the value of a name begins, and what the separator before it says about it.
#[derive(Debug, Clone, Copy)]
struct ValueStart {
    /// First byte of the value or of its opening quote.
    at: usize,
    /// The separator is weak: a space, a word such as ` is `, or a table cell.
    weak: bool,
    /// The name is written like a variable in an environment file (`KEY=value` in capitals) or like a flag.
    env: bool,
    /// The value is the content of an element: `<name>value`.
    markup: bool,
    /// The name is written like an environment variable: `SOME_TOKEN`.
    constant: bool,
    /// The name is a field of JSON: `"name": value`.
    json: bool,
}

fn is_upper(name: &[u8]) -> bool {
    name.iter().any(u8::is_ascii_uppercase) && !name.iter().any(u8::is_ascii_lowercase)
}

fn is_constant(name: &[u8]) -> bool {
    is_upper(name) && name.contains(&b'_')
}

impl ValueStart {
    fn locate(text: &[u8], start: usize, end: usize) -> Option<ValueStart> {
        let name = &text[start..end];
        let (upper, constant) = (is_upper(name), is_constant(name));
        if is_element_name(text, start) && text.get(end) == Some(&b'>') {
            return Some(ValueStart {
                at: end + 1,
                weak: false,
                env: false,
                markup: true,
                constant,
                json: false,
            });
        }
        let json = start > 0 && text[start - 1] == b'"' && text[end..].starts_with(b"\":");
        let after = NameEnd::read(text, start, end, constant)?;
        match separators::find(&after) {
            Some(Separator::Strong(at)) => {
                return Some(ValueStart { at, weak: false, env: constant, markup: false, constant, json });
            }
            Some(Separator::Markup(at)) => {
                return Some(ValueStart { at, weak: false, env: false, markup: true, constant, json });
            }
            Some(Separator::Weak(at)) => {
                return Some(ValueStart { at, weak: true, env: false, markup: false, constant, json });
            }
            None => {}
        }
        let line_start =
            start == 0 || matches!(text[start - 1], b'\n' | b' ' | b'\t' | b'+' | b'-' | b'"' | b'\'');
        let flag = text[start] == b'-';
        let (at, weak) = match plain_separator(&after, upper, flag)? {
            Separator::Strong(at) | Separator::Markup(at) => (at, false),
            Separator::Weak(at) => (at, true),
        };
        Some(ValueStart { at, weak, env: upper && line_start || flag, markup: false, constant, json })
    }
}

/// Whether the name at `start` is that of an XML element, with or without a namespace: `<name`, `<ns:name`.
fn is_element_name(text: &[u8], start: usize) -> bool {
    let Some(before) = start.checked_sub(1).map(|i| text[i]) else { return false };
    if before != b':' {
        return before == b'<';
    }
    let prefix = text[..start - 1].iter().rev().take(12).take_while(|b| b.is_ascii_alphanumeric()).count();
    prefix > 0 && text[..start - 1 - prefix].ends_with(b"<")
}

/// Reads the ordinary separators: `=`, `:`, `=>`, `:=`, a comma, a space, ` is `.
fn plain_separator(name: &NameEnd<'_>, upper: bool, flag: bool) -> Option<Separator> {
    let NameEnd { text, gap, next, closed, .. } = *name;
    match text[next] {
        b'=' => Some(Separator::Strong(after_equals(text, next))),
        b':' => after_colon(name),
        b'!' if text.get(next + 1) == Some(&b'=') => Some(Separator::Strong(skip_blanks(text, next + 2))),
        b',' if closed => after_comma(name).map(Separator::Strong),
        b'\n' | b'\r' => named_value(text, skip_to_next_item(text, next)).map(Separator::Strong),
        b'(' | b'{' | b';' | b'.' | b')' | b'}' | b'/' | b'>' | b'[' | b'&' | b'?' => None,
        b'|' => Some(Separator::Weak(skip_blanks(text, next + 1))),
        // Nothing separates name and value but a word of a script that is written without spaces: `A_TOKENは…`.
        _ if gap == next => {
            separators::word(text, next).filter(|_| !text[next].is_ascii()).map(Separator::Weak)
        }
        _ => after_blank(name, upper, flag),
    }
}

/// Skips `=`, `==`, `=>`, `=~`, `===` and spaces.
fn after_equals(text: &[u8], equals: usize) -> usize {
    let mut i = equals + 1;
    if matches!(text.get(i), Some(b'>' | b'=' | b'~')) {
        i += 1;
        if text.get(i) == Some(&b'=') {
            i += 1;
        }
    }
    next_line::value(text, skip_blanks(text, i))
}

/// Reads `:`, `:=`, a YAML block scalar and a type annotation (`name: String = "value"`); a path `a::b` has no value.
fn after_colon(name: &NameEnd<'_>) -> Option<Separator> {
    let NameEnd { text, start, next: colon, closed, .. } = *name;
    let mut i = colon + 1;
    match text.get(i) {
        Some(b':') => return None,
        Some(b'=') => i += 1,
        _ => {}
    }
    let value = skip_blanks(text, i);
    if let Some(value) = separators::block_scalar(text, value) {
        return Some(Separator::Weak(value));
    }
    if text[i - 1] == b'=' || closed {
        return Some(Separator::Strong(next_line::value(text, value)));
    }
    if let Some(value) = below_label(text, start, value) {
        return Some(value);
    }
    Some(Separator::Strong(after_annotation(text, value).unwrap_or_else(|| next_line::value(text, value))))
}

/// Reads the value below a label whose line ends at `i`; `start` is the first byte of the name.
fn below_label(text: &[u8], start: usize, i: usize) -> Option<Separator> {
    let below = next_line::below_label(text, start, i)?;
    Some(if below.is_marked { Separator::Strong(below.at) } else { Separator::Weak(below.at) })
}

/// Reads the second argument or field: `set("NAME", "value")`, `{"name": "X", "value": "y"}`.
fn after_comma(name: &NameEnd<'_>) -> Option<usize> {
    let NameEnd { text, next: comma, .. } = *name;
    let mut i = skip_blanks(text, comma + 1);
    if text.get(i) == Some(&b'{') {
        i = skip_blanks(text, i + 1);
    }
    named_value(text, i)
        .or_else(|| quote_at(text, i).map(|_| i))
        .or_else(|| next_line::string(text, i).filter(|_| name.is_first_argument()))
}

/// Reads what follows a name and a space: a flag's value, a declaration, or a sentence.
fn after_blank(name: &NameEnd<'_>, upper: bool, flag: bool) -> Option<Separator> {
    let NameEnd { text, start, next, closed, .. } = *name;
    if let Some(value) = next_line::continued(text, next) {
        return Some(if flag { Separator::Strong(value) } else { Separator::Weak(value) });
    }
    let first = text[next];
    if let Some(value) = named_value(text, next) {
        return Some(Separator::Strong(value));
    }
    // Visual Basic: `Dim x As String = "v"`
    if text[next..].starts_with(b"As ")
        && let Some(value) = after_annotation(text, next + 3)
    {
        return Some(Separator::Strong(value));
    }
    if closed && first != b'v' {
        return separators::word(text, next).map(Separator::Weak);
    }
    if separators::is_set_by_command(text, start) {
        return Some(Separator::Strong(next));
    }
    // Go: `var x string = "v"`
    if let Some(value) = after_annotation(text, next) {
        return Some(Separator::Strong(value));
    }
    if flag || (upper && matches!(first, b'"' | b'\'')) {
        return Some(Separator::Strong(next));
    }
    if let Some(value) = separators::word(text, next) {
        return Some(Separator::Weak(value));
    }
    if quote_at(text, next).is_some() {
        return Some(Separator::Weak(next));
    }
    Some(later_in_sentence(text, start, next).unwrap_or(Separator::Weak(next)))
}

/// Reads a value that comes later in the same sentence: `the token for staging is VALUE`, `the token for now: VALUE`.
fn later_in_sentence(text: &[u8], name: usize, from: usize) -> Option<Separator> {
    let to = (from + 48).min(text.len());
    let mut i = from;
    while i + 2 < to {
        match text[i] {
            b'\n' | b'"' | b';' | b'=' | b'(' | b'{' => return None,
            b':' if matches!(text[i + 1], b' ' | b'\n' | b'\r') => {
                let value = skip_blanks(text, i + 1);
                return below_label(text, name, value).or(Some(Separator::Weak(value)));
            }
            b' ' if text[i..].starts_with(b" is ") => return Some(Separator::Weak(skip_blanks(text, i + 4))),
            _ => i += 1,
        }
    }
    None
}

/// Skips spaces, line ends and the hyphens of a YAML list.
fn skip_to_next_item(text: &[u8], mut i: usize) -> usize {
    let from = i;
    while i < text.len() && i - from < 64 && matches!(text[i], b' ' | b'\t' | b'\n' | b'\r' | b'-') {
        i += 1;
    }
    i
}

/// Reads `value: x`, `value="x"`, `"value": "x"`: the field next to one that holds the name.
fn named_value(text: &[u8], i: usize) -> Option<usize> {
    let mut j = i + usize::from(quote_at(text, i).is_some());
    let word = text.get(j..j + 5)?;
    if !word.eq_ignore_ascii_case(b"value") {
        return None;
    }
    j += 5;
    j += usize::from(quote_at(text, j).is_some());
    j = skip_blanks(text, j);
    if !matches!(text.get(j), Some(b':' | b'=')) {
        return None;
    }
    Some(skip_blanks(text, j + 1))
}

/// Skips a type and `=` before a quoted value: `string = "v"`, `&str = "v"`, `Option<String> = "v"`.
fn after_annotation(text: &[u8], i: usize) -> Option<usize> {
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
    let equals = skip_blanks(text, j);
    if equals == j || text.get(equals) != Some(&b'=') || text.get(equals + 1) == Some(&b'=') {
        return None;
    }
    next_line::string(text, skip_blanks(text, equals + 1))
}

/// Calls and types that wrap a string literal.
const WRAPPERS: &[&[u8]] = &[b"Some(", b"String::from(", b"SecretStr(", b"Secret::new(", b"str("];

/// Words of an authorization header that come before the token.
const HEADER_SCHEMES: &[&[u8]] =
    &[b"Bearer ", b"bearer ", b"Token ", b"token ", b"Basic ", b"Bot ", b"ApiKey "];

/// Finds the first byte of the value proper and its quote; `\` is the quote of a string inside an escaped string.
fn open_value(text: &[u8], at: usize) -> (usize, Option<u8>) {
    let mut start = at;
    for wrapper in WRAPPERS {
        if text[start.min(text.len())..].starts_with(wrapper)
            && let Some(at) = next_line::string(text, start + wrapper.len())
        {
            start = at;
        }
    }
    // String prefixes: `r"…"`, `b'…'`, `f"…"`, `@"…"`
    if start + 1 < text.len()
        && matches!(text[start], b'r' | b'b' | b'f' | b'@')
        && quote_at(text, start + 1).is_some()
    {
        start += 1;
    }
    let mut quote = quote_at(text, start);
    if quote.is_some() {
        start += 1;
        // Python's `"""…"""`
        if text.get(start) == quote.as_ref() && text.get(start + 1) == quote.as_ref() {
            start += 2;
        }
    } else if text.get(start) == Some(&b'\\') && quote_at(text, start + 1).is_some() {
        quote = Some(b'\\');
        start += 2;
    }
    for scheme in HEADER_SCHEMES {
        if text.get(start..).is_some_and(|t| t.starts_with(scheme)) {
            start += scheme.len();
        }
    }
    (start, quote)
}

/// Finds the end of a value between quotes.
fn quoted_end(text: &[u8], start: usize, quote: u8) -> usize {
    let to = (start + MAX_VALUE_BYTES).min(text.len());
    let mut end = start;
    while end < to && text[end] != quote && text[end] != b'\n' {
        end += if text[end] == b'\\' && end + 1 < to { 2 } else { 1 };
    }
    end = end.min(to);
    if end < text.len() && text[end] == quote {
        return end;
    }
    // The line has no closing quote: the text was cut, or this is not a string. The value ends at the next space.
    let stop = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'\\');
    start + text[start..to].iter().position(stop).unwrap_or(to - start)
}

/// Finds the end of a value without quotes.
fn bare_end(text: &[u8], start: usize, env: bool) -> usize {
    let to = (start + MAX_VALUE_BYTES).min(text.len());
    let mut end = start;
    while end < to {
        let b = text[end];
        if matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'<' | b'\\' | 0x1b | 0) {
            break;
        }
        if matches!(b, b'&' | b';' | b',' | b'|' | b')' | b'}' | b']') && !(env && matches!(b, b'&' | b',')) {
            // These bytes are syntax at the end of a value (`f(token=x);`) but may occur inside a password (`a|b,c`).
            let next = text.get(end + 1).copied().unwrap_or(b' ');
            let is_syntax = matches!(b, b'&' | b';')
                || next.is_ascii_whitespace()
                || matches!(next, b'"' | b'\'' | b';' | b',' | b')' | b'}' | b']' | b'\\' | b'{');
            if is_syntax || matches!(b, b',' | b')' | b'}' | b']') && !env {
                break;
            }
        }
        end += 1;
    }
    while end > start && matches!(text[end - 1], b'.' | b',' | b';' | b':' | b')' | b'?') {
        end -= 1;
    }
    end
}

/// A value that follows a name, before it is judged.
struct Candidate<'t> {
    text: &'t [u8],
    /// The name in snake_case.
    name: &'t str,
    begin: ValueStart,
    start: usize,
    end: usize,
    quote: Option<u8>,
}

/// The value of a candidate as text, with its character counts.
struct Value<'t> {
    text: &'t str,
    counts: CharCounts,
    random: bool,
}

impl<'t> Candidate<'t> {
    /// Reads the value; `None` if it is empty.
    fn read(text: &'t [u8], name: &'t str, begin: ValueStart) -> Option<Candidate<'t>> {
        let (start, quote) = open_value(text, begin.at);
        let mut end = match quote {
            Some(b'\\') => {
                let to = (start + MAX_VALUE_BYTES).min(text.len());
                let stop = |b: &u8| matches!(b, b'\\' | b'"' | b'\n');
                let value = text.get(start..to)?;
                start + value.iter().position(stop).unwrap_or(value.len())
            }
            Some(quote) if start < text.len() => quoted_end(text, start, quote),
            None if start < text.len() => bare_end(text, start, begin.env),
            _ => return None,
        };
        // An ellipsis marks where the value was cut; it is not part of the value.
        for ellipsis in [&b"..."[..], "…".as_bytes()] {
            if let Some(at) = text[start..end].windows(ellipsis.len()).position(|w| w == ellipsis) {
                end = start + at;
            }
        }
        (end > start).then_some(Candidate { text, name, begin, start, end, quote })
    }

    fn bytes(&self) -> &'t [u8] {
        &self.text[self.start..self.end]
    }

    /// Whether the value is a secret that belongs to a name of this kind.
    fn is_secret(&self, kind: NameKind) -> bool {
        // Only a password can consist of bytes that are not UTF-8.
        let Ok(text) = std::str::from_utf8(self.bytes()) else { return kind == NameKind::Password };
        let counts = CharCounts::of(text.as_bytes());
        if text.len() < 4
            || placeholder_value::is_placeholder_value(text)
            || counts.other * 2 > text.len()
            || self.is_code(text)
            || is_public(text)
            || matches!(kind, NameKind::Key | NameKind::Vendor) && is_digest(text)
            || self.is_followed_by_code()
        {
            return false;
        }
        let value = Value { text, counts, random: value_shape::looks_random(text) };
        match kind {
            NameKind::Password => self.is_password(&value),
            NameKind::Vendor => self.is_vendor_key(&value),
            NameKind::Token | NameKind::Key => self.is_token(&value, kind == NameKind::Token),
        }
    }

    /// Whether a value without quotes is an expression: `get_token(x)`, `Token::new`, `=> {`.
    fn is_code(&self, value: &str) -> bool {
        self.quote.is_none()
            && (is_column_type(value)
                || value.contains('(')
                    && (value.contains("()")
                        || value.contains(")")
                        || value.as_bytes()[0].is_ascii_lowercase())
                    && !self.begin.env
                || value.ends_with('{')
                || value.contains("::")
                || value.contains("=>"))
    }

    /// Whether what follows shows that the value is code: a call, an index, a path, or a type before `=`.
    fn is_followed_by_code(&self) -> bool {
        if self.quote.is_some() {
            return false;
        }
        let rest = &self.text[self.end..];
        if matches!(rest.first(), Some(b'(' | b'[')) || rest.starts_with(b"::") {
            return true;
        }
        // `const TOKEN_KIND: TOKEN_TYPE_2 = 1`: a type between a name and its value
        let next = skip_blanks(self.text, self.end);
        next > self.end && self.text.get(next) == Some(&b'=') && self.text.get(next + 1) != Some(&b'=')
    }

    fn is_password(&self, value: &Value<'_>) -> bool {
        let Value { text, counts, random } = value;
        if counts.space > 0 {
            // A passphrase in quotes counts (`"walnut 7 copper!"`), a sentence does not (`"Enter your password."`).
            return self.quote.is_some()
                && counts.digit > 0
                && counts.space <= 3
                && !text.ends_with('.')
                && text.len() >= 12
                && counts.symbol > 0
                && !self.begin.weak;
        }
        let mixed = counts.digit > 0 && counts.letters() > 0;
        let marked = counts.symbol > 0 && counts.letters() > 0 && (counts.upper > 0 && counts.lower > 0);
        let strong = mixed || marked || *random;
        if self.begin.weak {
            // In prose the next word may be anything: `password is required`. It needs a digit or randomness.
            return strong
                && text.len() >= 6
                && !is_identifier_reference(text)
                && (counts.digit > 0 || *random);
        }
        if strong && !self.is_code_reference(text) {
            return text.len() >= 5;
        }
        if counts.letters() == 0 {
            // A short name may also count what passed: `"pass": 123456`.
            let named = self.begin.json && !self.name.ends_with("pass");
            let least = if named { 5 } else { 6 };
            return counts.digit >= least && (self.quote.is_some() || self.begin.env || named);
        }
        // A bare word counts only in an environment file (`PASSWORD=wlntcppr`), and only if it is not an ordinary word.
        self.begin.env && self.quote.is_none() && text.len() >= 8 && !value_shape::looks_wordy(text)
    }

    fn is_vendor_key(&self, value: &Value<'_>) -> bool {
        let Value { text, counts, random } = value;
        *random
            && !self.begin.weak
            && text.len() >= 16
            && counts.digit > 0
            && counts.symbol * 4 <= text.len()
            && !value_shape::counts_up(text)
            // `STRIPE_API_V2`: the name of a constant
            && !(counts.lower == 0 && text.contains('_'))
            && !text.contains(['(', '{', '[', ':', '@'])
            && !text.contains("//")
            // a Git commit
            && !(text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()) && self.name.contains("commit"))
    }

    /// Whether the value is a token; `named_token` is false if the name says only `key`, which needs more proof.
    fn is_token(&self, value: &Value<'_>, named_token: bool) -> bool {
        let Value { text, counts, random } = value;
        if counts.space > 0 || text.len() < 8 {
            return false;
        }
        if value_shape::is_uuid(text) {
            // Most keys that are UUIDs are ids of rows: `key: 3f2a…`.
            return named_token && (!self.begin.weak || self.begin.constant);
        }
        if self.begin.weak {
            return *random && text.len() >= 16 && counts.digit > 0;
        }
        if text.contains('/') && value_shape::looks_wordy(text) || self.is_code_reference(text) {
            return false;
        }
        if *random {
            return named_token || text.len() >= 16 && (counts.digit > 0 || text.len() >= 24);
        }
        if counts.letters() == 0 {
            return named_token
                && counts.symbol == 0
                && (text.len() >= 15 || text.len() >= 10 && (self.quote.is_some() || self.begin.json));
        }
        // `JWT_SECRET=super-secret-2024!`: words with digits in an environment file
        named_token
            && counts.digit > 0
            && (self.name.contains("secret") && (self.begin.env || counts.symbol > 0 && counts.upper > 0)
                || !value_shape::looks_wordy(text)
                    && text.len() >= 10
                    && value_shape::entropy(text.as_bytes()) > 2.5)
    }

    /// Whether the value refers to a variable or member: `self.password`, `config.db.pass`, `user_password1`.
    fn is_code_reference(&self, value: &str) -> bool {
        self.quote.is_none() && !self.begin.env && !self.begin.markup && is_identifier_reference(value)
    }
}

/// Whether a value is a type of SQL with its length: `NVARCHAR(50)`.
fn is_column_type(value: &str) -> bool {
    const TYPES: [&str; 10] = [
        "varchar",
        "nvarchar",
        "varchar2",
        "nvarchar2",
        "char",
        "nchar",
        "character",
        "binary",
        "varbinary",
        "raw",
    ];
    let name = value.split('(').next().unwrap_or(value);
    TYPES.iter().any(|t| name.eq_ignore_ascii_case(t))
}

/// Beginnings of values that are public or not secret: addresses, paths, public keys and references.
const PUBLIC_STARTS: &[&str] = &[
    "http://",
    "https://",
    "./",
    "../",
    "~/",
    // the rule for private keys reads these
    "-----BEGIN",
    "/etc/",
    "/run/",
    "/home/",
    "/var/",
    "/tmp/",
    "ssh-",
    "pk_live_",
    "pk_test_",
    "ref:",
];

fn is_public(value: &str) -> bool {
    PUBLIC_STARTS.iter().any(|start| value.starts_with(start))
}

/// Whether a value is the digest of a file, as a lock file or an `integrity` attribute has it: `sha256-47DEQpj8…=`.
fn is_digest(value: &str) -> bool {
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    [("sha256-", 44), ("sha384-", 64), ("sha512-", 88)].into_iter().any(|(algorithm, length)| {
        value.strip_prefix(algorithm).is_some_and(|rest| {
            rest.len().abs_diff(length) <= rest.len() - rest.trim_end_matches('=').len() + 2
                && rest.bytes().all(base64)
        })
    })
}

fn is_identifier_reference(value: &str) -> bool {
    // Ruby method names end in a mark and have no digits: `save!` is one, `Summer_2031!` is a password.
    let unmarked = value.trim_end_matches(['?', '!', '*']);
    let identifier = (unmarked.len() == value.len() || !value.bytes().any(|b| b.is_ascii_digit()))
        && unmarked.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        && value.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    identifier
        && value_shape::looks_wordy(value)
        && (value.contains('.') || value.contains('_') || !value.bytes().any(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str, key: &str, kind: NameKind) -> Option<String> {
        let start = text.to_ascii_lowercase().find(key)?;
        find_value(text.as_bytes(), start, start + key.len(), kind).map(|(s, e)| text[s..e].to_owned())
    }

    #[test]
    fn a_value_is_found_in_every_spelling_of_an_assignment() {
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
            assert_eq!(find(&t, "password", NameKind::Password).as_deref(), Some(v.as_str()), "{t}");
        }
    }

    #[test]
    fn code_and_ordinary_words_are_not_values() {
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
            "password NVARCHAR(50) NOT NULL",
            "  password varchar2(64),",
            "password='x1password='",
        ] {
            let key = if t.to_lowercase().contains("password") { "password" } else { "token" };
            let kind = if key == "password" { NameKind::Password } else { NameKind::Token };
            assert_eq!(find(t, key, kind), None, "{t}");
        }
    }
}
