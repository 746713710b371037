//! Snippets: a match with its context, redacted.

use regex::Regex;

use crate::store::{DocKind, doc_text};
use crate::trace::{Message, Part};

use super::query::Operand;

/// Number of bytes around the match that are redacted. The window is larger than the snippet and is redacted before it is
/// cut: if it was cut first, the rules would not recognize a secret of which only a part is left.
const REDACTED_BYTES: usize = 1200;
/// Maximum size of a snippet in bytes.
const SNIPPET_BYTES: usize = 240;

/// Finds the first match of a query in a text.
pub(super) struct Finder {
    /// Patterns to try, the most exact one first.
    regexes: Vec<Regex>,
}

impl Finder {
    pub fn of_regex(regex: Regex) -> Self {
        Finder { regexes: vec![regex] }
    }

    pub fn of_operands(operands: &[Operand]) -> Self {
        let phrase = |words: &[String]| {
            words.iter().map(|w| regex_syntax::escape(w)).collect::<Vec<_>>().join("[^a-zA-Z0-9]+")
        };
        // First whole words, as in the index, then parts of words. The index ignores accents and these patterns do not,
        // so there can be no match; the snippet then starts at the beginning of the text.
        let whole: Vec<String> = operands
            .iter()
            .map(|o| {
                let end = if o.prefix { "" } else { "(?:$|[^a-zA-Z0-9])" };
                format!("(?:^|[^a-zA-Z0-9])(?i:{}){end}", phrase(&o.words))
            })
            .collect();
        let part: Vec<String> = operands.iter().map(|o| format!("(?i:{})", phrase(&o.words))).collect();
        let regexes = [whole, part].into_iter().filter(|p| !p.is_empty());
        Finder { regexes: regexes.filter_map(|p| Regex::new(&p.join("|")).ok()).collect() }
    }

    fn find(&self, text: &str) -> Option<usize> {
        self.regexes.iter().find_map(|r| r.find(text)).map(|m| m.start())
    }

    /// Returns the first match with its context, after `redact` has redacted it.
    pub fn snippet(&self, redact: &mut dyn FnMut(&str) -> String, text: &str) -> String {
        let at = self.find(text).unwrap_or(0);
        let (start, window) = window_around(text, at, REDACTED_BYTES);
        let redacted = redact(window);
        // Redaction can move the match, or remove it.
        let at = self.find(&redacted).unwrap_or(at - start);
        window_around(&redacted, at, SNIPPET_BYTES).1.to_owned()
    }
}

/// Returns the text that a snippet is cut from. Inputs of tools stay JSON, because the rules need the name of each value.
pub(super) fn snippet_text(message: &Message, kind: DocKind, tool: Option<&str>) -> String {
    if kind != DocKind::ToolInput {
        return doc_text(message, kind, tool);
    }
    let calls = message.parts.iter().filter_map(|part| match part {
        Part::Tool(call) if tool.is_none_or(|t| t.eq_ignore_ascii_case(&call.name)) => {
            Some(format!("{} {}", call.name, call.input))
        }
        _ => None,
    });
    calls.collect::<Vec<_>>().join("\n")
}

/// Returns up to `width` bytes of text around byte `at`, and where they start. A third of them is before `at`.
fn window_around(text: &str, at: usize, width: usize) -> (usize, &str) {
    let start = text.floor_char_boundary(at.saturating_sub(width / 3));
    (start, &text[start..text.floor_char_boundary(start + width)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::scan::redact_line;
    use crate::rules::Engine;

    fn of(words: &[&str], prefix: bool) -> Finder {
        Finder::of_operands(&[Operand { words: words.iter().map(|w| (*w).to_owned()).collect(), prefix }])
    }

    #[test]
    fn snippets_are_cut_at_character_boundaries() {
        let engine = Engine::builtin().unwrap();
        let text = "é".repeat(2000) + " Needle " + &"ü".repeat(2000);
        let cut = of(&["needle"], false).snippet(&mut |line| redact_line(engine, line), &text);
        assert!(cut.contains("Needle") && cut.len() <= SNIPPET_BYTES, "{cut}");
        assert_eq!(of(&["x"], false).snippet(&mut |line| redact_line(engine, line), ""), "");
        assert_eq!(Finder::of_operands(&[]).snippet(&mut |line| redact_line(engine, line), "plain"), "plain");
    }

    #[test]
    fn whole_words_are_found_before_parts_of_words() {
        let text = "start of the art_work, foo - BAR here";
        assert_eq!(of(&["art"], false).find(text), Some(12));
        assert_eq!(of(&["foo", "bar"], false).find(text), Some(22));
        assert_eq!(of(&["wor"], true).find(text), Some(16));
        assert_eq!(of(&["tart"], false).find(text), Some(1));
        assert_eq!(of(&["nowhere"], false).find(text), None);
    }

    #[test]
    fn a_snippet_never_contains_a_part_of_a_secret() {
        let engine = Engine::builtin().unwrap();
        let token = format!("ghp{}{}", "_", "Zq7".repeat(12));
        for pad in 0..300 {
            let text = format!("needle {}{token} end", "a ".repeat(pad));
            let cut = of(&["needle"], false).snippet(&mut |line| redact_line(engine, line), &text);
            assert!(!cut.contains("ghp_"), "{pad}: {cut}");
        }
    }
}
