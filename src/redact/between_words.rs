//! What people and programs put between the words of a name: spaces, hyphens, line breaks, markup.

/// Maximum length of a run of spaces between two words, in bytes: a line break and the indentation of the next line.
const MAX_BLANK_BYTES: usize = 100;
/// Maximum length of a tag between two words, in bytes.
const MAX_TAG_BYTES: usize = 120;

/// Maximum number of line breaks between two words: a blank line.
const MAX_LINE_BREAKS: usize = 2;
/// Maximum number of separators between two words, each of them a character of [`is_mark`].
const MAX_MARKS: usize = 8;
/// Maximum number of tags and emphasis delimiters between two words.
const MAX_MARKUP: usize = 8;

/// Apostrophes that may join two words without anything else between them, with those that a shell needs inside quotes.
const APOSTROPHES: &[&str] = &["'\\''", "'\\\\''", "'\"'\"'", "'\\\"'\\\"'", "'", "’", "ʼ"];
/// Marks that were encoded twice.
const ENCODED: &[&str] = &["%20", "%2D", "%2d", "%5F", "%5f", "%2E", "%2e", "%2F", "%2f", "%0A", "%0a"];
/// Separators between a surname and the first name after it.
const COMMAS: &[&str] = &[",", "，", "、"];
/// Quotes around words, escaped ones first.
const QUOTES: &[&str] = &["\\\"", "\\'", "\"", "'", "`", "“", "”", "„", "«", "»", "’", "‘"];
/// Characters that are emphasis delimiters in Markdown.
const EMPHASIS: &[u8] = b"*`~_";

/// Marks that begin a line of a comment, a quotation or a difference.
const LINE_MARKS: &[u8] = b"#/*>+|-";
/// Maximum number of comment delimiters at the beginning of a line.
const MAX_LINE_MARKS: usize = 3;

/// Whether a character may be between two words: a dash, a stroke, a full stop and the like. Brackets, quotes, `=`, `!` and
/// `?` may not.
fn is_mark(c: char) -> bool {
    matches!(
        c,
        '-' | '_'
            | '.'
            | ','
            | ';'
            | ':'
            | '|'
            | '+'
            | '~'
            | '&'
            | '/'
            | '\\'
            | '¦'
            | '·'
            | '•'
            | '・'
            | '…'
            | '、'
            | '，'
            | '\u{58a}'
            | '\u{1806}'
            | '\u{2010}'
            ..='\u{2015}'
                | '\u{2043}'
                | '\u{2044}'
                | '\u{2212}'
                | '\u{2215}'
                | '\u{2e3a}'
                | '\u{2e3b}'
                | '\u{301c}'
                | '\u{30a0}'
    )
}

/// What was passed between two words so far.
#[derive(Default)]
struct Passed {
    blank_bytes: usize,
    line_breaks: usize,
    marks: usize,
    markup: usize,
    /// Marks that may still begin this line.
    line_marks: usize,
    apostrophe: bool,
}

impl Passed {
    /// Returns the end of the next piece of the separator, which begins at `at`; `None` if none may follow.
    fn step(&mut self, b: &[u8], at: usize, is_first: bool) -> Option<usize> {
        let rest = b.get(at..)?;
        let first = *rest.first()?;
        if self.apostrophe {
            return None;
        }
        if is_first && let Some(mark) = APOSTROPHES.iter().find(|m| rest.starts_with(m.as_bytes())) {
            self.apostrophe = true;
            return Some(at + mark.len());
        }
        if !is_first && b[at - 1] == b'\\' && matches!(first, b'n' | b'r' | b't') {
            return self.blank(first == b'n', 1).then_some(at + 1);
        }
        if first < 0x80 && self.line_marks > 0 && LINE_MARKS.contains(&first) {
            self.line_marks -= 1;
            return Some(at + 1);
        }
        if let Some(end) = tag_end(b, at).or((EMPHASIS.contains(&first) && first != b'_').then_some(at + 1)) {
            self.markup += 1;
            return (self.markup <= MAX_MARKUP).then_some(end);
        }
        let encoded = ENCODED.iter().find(|m| rest.starts_with(m.as_bytes()));
        let c = char_at(b, at)?;
        if c.is_whitespace() {
            return self.blank(c == '\n', c.len_utf8()).then(|| at + c.len_utf8());
        }
        let length = encoded.map(|m| m.len()).or(is_mark(c).then(|| c.len_utf8()))?;
        self.marks += 1;
        (self.marks <= MAX_MARKS).then_some(at + length)
    }

    /// Adds a space. Returns whether it may be there.
    fn blank(&mut self, is_break: bool, bytes: usize) -> bool {
        self.blank_bytes += bytes;
        self.line_breaks += usize::from(is_break);
        if is_break {
            self.line_marks = MAX_LINE_MARKS;
        }
        self.blank_bytes <= MAX_BLANK_BYTES && self.line_breaks <= MAX_LINE_BREAKS
    }
}

/// Returns the character that begins at `at`.
fn char_at(b: &[u8], at: usize) -> Option<char> {
    let end = (at + 1..b.len().min(at + 4)).find(|n| b[*n] & 0xc0 != 0x80).unwrap_or(b.len().min(at + 4));
    std::str::from_utf8(b.get(at..end)?).ok()?.chars().next()
}

fn is_word_at(b: &[u8], at: usize, word: &[u8]) -> bool {
    b.get(at..at + word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word))
}

/// Returns where `word` begins after the word that ends at `at`. Nothing may be between them, or a run of spaces, separators,
/// tags and emphasis: `Ada <b>Works</b>`, `**Ada** Works`, `ada.\n  works`.
pub(super) fn skip_to_word(b: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    let mut passed = Passed::default();
    let mut here = at;
    while !is_word_at(b, here, word) {
        here = passed.step(b, here, here == at)?;
    }
    Some(here)
}

/// Returns where `previous` ends before `word`, which begins at `at`, if no more than [`skip_to_word`] passes is between
/// them.
pub(super) fn skip_back_to_word(b: &[u8], at: usize, word: &[u8], previous: &[u8]) -> Option<usize> {
    let from = at.saturating_sub(MAX_BLANK_BYTES + MAX_MARKS * 4 + MAX_MARKUP * MAX_TAG_BYTES);
    let mut end = at;
    loop {
        let begin = end.checked_sub(previous.len())?;
        if is_word_at(b, begin, previous) && skip_to_word(b, end, word) == Some(at) {
            return Some(end);
        }
        end = piece_before(b, end).filter(|n| *n >= from)?;
    }
}

/// Returns the start of the piece of a separator that ends at `end`.
fn piece_before(b: &[u8], end: usize) -> Option<usize> {
    let head = b.get(..end)?;
    let last = *head.last()?;
    let near = end.saturating_sub(MAX_TAG_BYTES);
    if last == b'>'
        && let Some(open) = memchr::memrchr(b'<', &head[near..]).map(|n| near + n)
        && tag_end(b, open) == Some(end)
    {
        return Some(open);
    }
    if let Some(mark) = ENCODED.iter().find(|m| head.ends_with(m.as_bytes())) {
        return Some(end - mark.len());
    }
    let start = (end.saturating_sub(4)..end).rev().find(|n| b[*n] & 0xc0 != 0x80)?;
    let c = char_at(b, start)?;
    let is_escape = matches!(last, b'n' | b'r' | b't') && start > 0 && b[start - 1] == b'\\';
    let is_piece = is_escape
        || c.is_whitespace()
        || is_mark(c)
        || matches!(c, '\'' | '’' | 'ʼ' | '"')
        || LINE_MARKS.contains(&last)
        || EMPHASIS.contains(&last);
    is_piece.then_some(start)
}

fn begins_word(b: &[u8], at: usize) -> bool {
    b.get(at).is_some_and(|c| c.is_ascii_alphanumeric() || *c >= 0x80)
}

/// Returns the end of the tag of HTML at `at`. Quotes count only around the values of attributes, so that no tag reaches
/// from one string of JSON into the next.
fn tag_end(b: &[u8], at: usize) -> Option<usize> {
    let name = at + 1 + usize::from(b.get(at + 1) == Some(&b'/'));
    if b.get(at) != Some(&b'<') || !b.get(name).is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let mut n = name;
    while n < b.len() && n - at < MAX_TAG_BYTES {
        match b[n] {
            b'>' => return Some(n + 1),
            b'"' if b[n - 1] == b'=' => {
                n += 1 + memchr::memchr(b'"', b.get(n + 1..b.len().min(at + MAX_TAG_BYTES))?)?
            }
            b'"' if b[n - 1] != b'\\' => return None,
            b'<' | b'\n' => return None,
            _ => {}
        }
        n += 1;
    }
    None
}

/// Whether `[from, to)` is a comma with spaces around it.
pub(super) fn is_comma(b: &[u8], from: usize, to: usize) -> bool {
    b.get(from..to).is_some_and(|s| COMMAS.iter().any(|c| s.trim_ascii() == c.as_bytes()))
}

/// Returns the end of the quotes between two words at `at`, with a separator and spaces between them: `Ada "Works`,
/// `"Ada", "Works"`. `None` if there is no quote.
pub(super) fn skip_quotes(b: &[u8], at: usize) -> Option<usize> {
    let quote =
        |from: usize| QUOTES.iter().find(|q| b[from..].starts_with(q.as_bytes())).map(|q| from + q.len());
    let blanks = |from: usize| {
        from + b[from..].iter().take(8).take_while(|c| matches!(c, b' ' | b'\t' | b',' | b';' | b'|')).count()
    };
    let closing = quote(at);
    let between = blanks(closing.unwrap_or(at));
    let opening = quote(between);
    (closing.is_some() || opening.is_some())
        .then(|| opening.unwrap_or(between))
        .filter(|end| begins_word(b, *end))
}

/// Returns the start of what [`skip_quotes`] skips and that ends at `at`.
pub(super) fn skip_quotes_back(b: &[u8], at: usize) -> Option<usize> {
    let near = at.saturating_sub(16);
    (near..at).find(|from| {
        skip_quotes(b, *from) == Some(at) && from.checked_sub(1).is_some_and(|n| begins_word(b, n))
    })
}
