//! Renders the sealed JSON of a review page for a person: a heading for each message, tool calls, text with its lines.
//!
//! Every name, text and number of the page is shown, because the person decides whether it may be published. Control and
//! hidden characters are shown as `\u{…}`. A chunk may begin and end anywhere in a row, so it is not parsed as a whole.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::app::release::PageChunk;
use crate::app::text::sanitize;

use super::render::{bold, cyan, dim, red, yellow};
use super::table::one_line;

/// A longer text gets lines of its own.
const MAX_INLINE_CHARS: usize = 100;

/// Renders the chunks of a page.
pub(super) fn render(chunks: &[PageChunk]) -> String {
    let mut out = String::new();
    let mut session = None;
    for chunk in chunks {
        if session != Some(&chunk.session) {
            session = Some(&chunk.session);
            out.push_str(&format!("\n{}\n", dim(&format!("session {}", one_line(chunk.session.as_str())))));
        }
        let mut page = PageText::default();
        page.chunk(chunk);
        out.push_str(&page.out);
    }
    out.trim_start_matches('\n').to_owned()
}

/// An open object or array.
struct Open {
    /// The field that contains it.
    name: String,
}

#[derive(Default)]
struct PageText {
    out: String,
    open: Vec<Open>,
    /// The field whose value follows.
    field: String,
    /// Short values that are printed together on the next line.
    facts: Vec<String>,
}

impl PageText {
    fn chunk(&mut self, chunk: &PageChunk) {
        let mut rest = chunk.text.as_str();
        if chunk.starts_in_string {
            let (text, after) = split_string(rest, chunk.starts_escaped);
            self.out.push_str(&format!("{}\n", dim("  (continued)")));
            // The end of a field's name is followed by a colon.
            let after = after.strip_prefix(':').unwrap_or(after);
            self.lines(&unescape(text), 2);
            rest = after;
        }
        while let Some(c) = rest.chars().next() {
            rest = match c {
                '"' => self.string(&rest[1..]),
                '{' | '[' => {
                    self.flush();
                    self.open.push(Open { name: std::mem::take(&mut self.field) });
                    &rest[1..]
                }
                '}' | ']' => {
                    self.flush();
                    self.open.pop();
                    self.field.clear();
                    &rest[1..]
                }
                ',' => {
                    self.field.clear();
                    &rest[1..]
                }
                _ => {
                    let end =
                        rest.find([',', '}', ']', '{', '[', '"']).unwrap_or(rest.len()).max(c.len_utf8());
                    self.fact(&rest[..end]);
                    &rest[end..]
                }
            };
        }
        self.flush();
    }

    /// Takes the string that begins before `rest`: the name of a field or a value. Returns the text after it.
    fn string<'t>(&mut self, rest: &'t str) -> &'t str {
        let (text, after) = split_string(rest, false);
        if let Some(value) = after.strip_prefix(':') {
            self.field = unescape(text);
            return value;
        }
        self.value(&unescape(text));
        after
    }

    fn value(&mut self, text: &str) {
        let shown = one_line(text);
        match self.field.as_str() {
            "role" if self.is_in_message() => {
                let speaker = format!("── {shown} ──");
                let speaker = if shown == "user" { cyan(&speaker) } else { bold(&speaker) };
                self.block(&format!("\n{speaker}\n"));
            }
            "content" if self.is_in_message() => {
                self.flush();
                self.lines(text, 2);
            }
            "tool" if self.is_in("tool_uses") => self.block(&format!("  ▸ {}\n", bold(&shown))),
            "text" if self.is_in("output") && !text.is_empty() => {
                self.block(&format!("    {}\n", dim("←")));
                self.lines(text, 4);
            }
            _ if text.contains('\n') || text.chars().count() > MAX_INLINE_CHARS => {
                self.flush();
                let label = self.label();
                self.out.push_str(&format!("    {}\n", dim(&format!("{label}:"))));
                self.lines(text, 6);
            }
            _ => self.fact(text),
        }
    }

    /// Whether the value belongs to a message itself. At the beginning of a chunk, the object around it may be unknown.
    fn is_in_message(&self) -> bool {
        self.open.last().is_none_or(|open| open.name.is_empty())
    }

    /// Whether the value belongs to a field of this name or to an entry of it.
    fn is_in(&self, name: &str) -> bool {
        let mut names = self.open.iter().rev().map(|open| open.name.as_str());
        names.next().is_some_and(|n| n == name || n.is_empty() && names.next().is_none_or(|n| n == name))
    }

    /// The name of the field, with the names of the objects around it up to the message.
    fn label(&self) -> String {
        let around =
            self.open.iter().rev().map(|open| open.name.as_str()).take_while(|name| !name.is_empty());
        let mut names: Vec<&str> = around.filter(|name| *name != "messages").collect();
        names.reverse();
        names.extend((!self.field.is_empty()).then_some(self.field.as_str()));
        one_line(&names.join("."))
    }

    fn fact(&mut self, text: &str) {
        let (label, text) = (self.label(), one_line(text));
        let text = if text.is_empty() { "\"\"".to_owned() } else { text };
        self.facts.push(if label.is_empty() { text } else { format!("{label}: {text}") });
        self.field.clear();
    }

    fn flush(&mut self) {
        if !self.facts.is_empty() {
            let facts = std::mem::take(&mut self.facts).join(" · ");
            self.out.push_str(&format!("    {}\n", mark(&facts)));
        }
    }

    fn block(&mut self, text: &str) {
        self.flush();
        self.out.push_str(&mark(text));
    }

    fn lines(&mut self, text: &str, indent: usize) {
        let pad = " ".repeat(indent);
        for line in sanitize(text).lines() {
            self.out.push_str(&format!("{pad}{}\n", mark(&line.replace('\t', "    "))));
        }
    }
}

/// Splits JSON text after the string that it begins in. Returns the string without its closing quote, and the rest.
fn split_string(text: &str, starts_escaped: bool) -> (&str, &str) {
    let mut is_escaped = starts_escaped;
    let end = text.find(|c: char| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    });
    end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]))
}

/// Replaces the escapes of a JSON string by their characters. An escape that a chunk cuts is shown as it is.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // A surrogate pair consists of two escapes.
        let end = [12, 6, 2].into_iter().find_map(|len| {
            let piece = rest.get(..len)?;
            let text = serde_json::from_str::<String>(&format!("\"{piece}\"")).ok()?;
            (text.chars().count() == 1).then_some((len, text))
        });
        let (len, text) = end.unwrap_or((1, "\\".to_owned()));
        out.push_str(&text);
        rest = &rest[len..];
    }
    out.push_str(rest);
    out
}

/// Colours placeholders, and characters that would be invisible.
fn mark(text: &str) -> String {
    static MARKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\[[A-Z][A-Z0-9_]*_[a-z2-7]{6}\]|\buser_[a-z2-7]{6}\b|(?<hidden>\\u\{[0-9a-f]+\})").ok()
    });
    let Some(marks) = MARKS.as_ref() else { return text.to_owned() };
    let colour = |found: &Captures<'_>| match found.name("hidden") {
        Some(hidden) => red(hidden.as_str()),
        None => yellow(&found[0]),
    };
    marks.replace_all(text, colour).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::SessionKey;

    fn plain(chunks: &[PageChunk]) -> String {
        anstream::adapter::strip_str(&render(chunks)).to_string()
    }

    fn chunk(text: &str) -> PageChunk {
        let session = SessionKey("claude:1".to_owned());
        PageChunk { session, text: text.to_owned(), starts_in_string: false, starts_escaped: false }
    }

    const MESSAGE: &str = r#"{"role":"assistant","content":"a\nb \"c\" \u001b[31m \\n","tool_uses":[{"tool":"Bash","input":{"command":"ls","timeout":5},"output":{"text":"x\ty\nz [EMAIL_k3f2qa]"},"status":"success"}],"timestamp":"2026-11-20T16:00:00.000Z"},"#;

    #[test]
    fn a_message_is_shown_with_its_speaker_its_lines_and_its_tools() {
        assert_eq!(
            plain(&[chunk(MESSAGE)]),
            "session claude:1\n\n── assistant ──\n  a\n  b \"c\" \\u{1b}[31m \\n\n  ▸ Bash\n    input.command: ls · \
             input.timeout: 5\n    ←\n    x    y\n    z [EMAIL_k3f2qa]\n    status: success\n    timestamp: 2026-11-20T16:00:00.000Z\n"
        );
        let coloured = render(&[chunk(MESSAGE)]);
        assert!(
            coloured.contains(&yellow("[EMAIL_k3f2qa]")) && coloured.contains(&red("\\u{1b}")),
            "{coloured}"
        );
    }

    #[test]
    fn a_chunk_that_begins_inside_a_text_is_shown_from_its_first_byte() {
        let middle =
            PageChunk { starts_in_string: true, ..chunk("the rest\\nof it\"}],\"status\":\"error\"") };
        assert_eq!(
            plain(&[middle]),
            "session claude:1\n  (continued)\n  the rest\n  of it\n    status: error\n"
        );
        let escaped =
            PageChunk { starts_in_string: true, starts_escaped: true, ..chunk("\" still\",\"b\":1") };
        let text = plain(&[escaped]);
        assert!(text.contains("\" still") && text.contains("b: 1"), "{text}");
        // An escape that the chunk cuts stays visible.
        assert_eq!(unescape("a\\u00"), "a\\u00");
        assert_eq!(unescape("\\ud83d\\ude00\\u00e9\\/\\\\n"), "😀é/\\n");
    }

    proptest! {
        /// Cuts a row at any place, and looks for every word of it in what is shown.
        #[test]
        fn everything_that_leaves_is_shown(words in prop::collection::vec("[a-zA-Z0-9\"\\\\é\n\u{200b}]{1,12}", 1..12), at in 0usize..4000) {
            let value = serde_json::json!({
                "role": "user", "content": words.join(" "), "x": { words[0].clone(): words.clone() },
                "tool_uses": [{ "tool": words[0], "input": { "value": words.join("\n") }, "output": { "text": words.join("\t") } }],
            });
            let row = value.to_string();
            let at = row.floor_char_boundary(at % row.len());
            let (starts_in_string, starts_escaped) = crate::app::release::string_state(&row[..at]);
            let chunks =
                [chunk(&row[..at]), PageChunk { starts_in_string, starts_escaped, ..chunk(&row[at..]) }];
            let squeeze = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
            let shown = squeeze(&plain(&chunks).replace("session claude:1", "").replace("(continued)", ""));
            // Names of fields are implied by the layout; the letters of all values appear in their order.
            let mut left = shown.chars();
            let wanted: String = squeeze(&sanitize(&words.join(" ")));
            prop_assert!(wanted.chars().all(|c| left.any(|l| l == c)), "{row} at {at}: {shown}");
        }
    }
}
