//! Snippets: the surroundings of what was found, redacted.

use regex::Regex;

use crate::rules::Engine;
use crate::store::{DocKind, doc_text};
use crate::trace::{Message, Part};

use crate::app::scan::redact_line;

/// Bytes around the find that are redacted, and bytes of those that are shown. Redacted before it is cut to its
/// length: a cut first could leave half a secret that no rule knows.
const REDACTED: usize = 1200;
const SHOWN: usize = 240;

/// Finds in a text what a search was for.
pub(super) struct Finder {
    /// Best first.
    regexes: Vec<Regex>,
}

impl Finder {
    pub fn of_regex(regex: Regex) -> Self {
        Finder { regexes: vec![regex] }
    }

    /// `operands`: the words of each, and whether the last is only a beginning.
    pub fn of_words(operands: &[(Vec<String>, bool)]) -> Self {
        let phrase = |words: &[String]| {
            words.iter().map(|w| regex_syntax::escape(w)).collect::<Vec<_>>().join("[^a-zA-Z0-9]+")
        };
        // As words of the index, then as they stand anywhere: accents may differ, then there is no find.
        let whole: Vec<String> = operands
            .iter()
            .map(|(words, prefix)| {
                let end = if *prefix { "" } else { "(?:$|[^a-zA-Z0-9])" };
                format!("(?:^|[^a-zA-Z0-9])(?i:{}){end}", phrase(words))
            })
            .collect();
        let part: Vec<String> = operands.iter().map(|(words, _)| format!("(?i:{})", phrase(words))).collect();
        let regexes = [whole, part].into_iter().filter(|p| !p.is_empty());
        Finder { regexes: regexes.filter_map(|p| Regex::new(&p.join("|")).ok()).collect() }
    }

    fn find(&self, text: &str) -> Option<usize> {
        self.regexes.iter().find_map(|r| r.find(text)).map(|m| m.start())
    }

    /// The surroundings of the first find, redacted.
    pub fn snippet(&self, engine: &Engine, text: &str) -> String {
        let at = self.find(text).unwrap_or(0);
        let (start, window) = around(text, at, REDACTED);
        let redacted = redact_line(engine, window);
        let at = self.find(&redacted).unwrap_or(at - start);
        around(&redacted, at, SHOWN).1.to_owned()
    }
}

/// The text that a snippet is cut from. Inputs of tools are JSON, so that the rules see which value has which name.
pub(super) fn shown(message: &Message, kind: DocKind, tool: Option<&str>) -> String {
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

/// About `width` bytes of text around a place, cut at character borders, and where they begin.
fn around(text: &str, at: usize, width: usize) -> (usize, &str) {
    let floor = |mut i: usize| {
        i = i.min(text.len());
        while !text.is_char_boundary(i) {
            i -= 1;
        }
        i
    };
    let start = floor(at.saturating_sub(width / 3));
    (start, &text[start..floor(start + width)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str], prefix: bool) -> Finder {
        Finder::of_words(&[(words.iter().map(|w| (*w).to_owned()).collect(), prefix)])
    }

    #[test]
    fn snippets_are_cut_at_character_borders() {
        let engine = Engine::builtin().unwrap();
        let text = "é".repeat(2000) + " Needle " + &"ü".repeat(2000);
        let cut = of(&["needle"], false).snippet(engine, &text);
        assert!(cut.contains("Needle") && cut.len() <= SHOWN, "{cut}");
        assert_eq!(of(&["x"], false).snippet(engine, ""), "");
        assert_eq!(Finder::of_words(&[]).snippet(engine, "plain"), "plain");
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
    fn a_secret_is_never_half_in_a_snippet() {
        let engine = Engine::builtin().unwrap();
        let token = format!("ghp{}{}", "_", "Zq7".repeat(12));
        for pad in 0..300 {
            let text = format!("needle {}{token} end", "a ".repeat(pad));
            let cut = of(&["needle"], false).snippet(engine, &text);
            assert!(!cut.contains("ghp_"), "{pad}: {cut}");
        }
    }
}
