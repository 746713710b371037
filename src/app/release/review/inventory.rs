//! The inventory for a person: every value with its places and decision, and the values that reviewers reported.

use aho_corasick::AhoCorasick;
use serde::Serialize;

use crate::app::release::data::ReportedValue;
use crate::app::text::sanitize;
use crate::app::{App, Failure};
use crate::workflow::Phase;

use super::{EntityItem, OpenRelease};

/// Places of a value that are shown.
const MAX_PLACES: usize = 2;
/// Characters before and after the value that are shown.
const CONTEXT_CHARS: usize = 70;
/// Characters of a value that are shown.
const MAX_VALUE_CHARS: usize = 120;

/// The inventory of a release.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Inventory {
    /// Id of the release.
    pub release: String,
    /// Number of values without a decision.
    pub undecided: u64,
    /// All values. Those without a decision come first, then the most frequent ones.
    pub entities: Vec<EntityItem>,
    /// Values that reviewers reported. They are redacted.
    pub reported: Vec<ReportedValue>,
}

impl App {
    /// The inventory of a release. `context` adds the words around each value. Only reads.
    ///
    /// # Errors
    /// [`Failure`] if there is no release or its sealed files were changed.
    pub fn inventory(&self, release: Option<&str>, context: bool) -> Result<Inventory, Failure> {
        let open = self.viewed_release(release, Phase::Prepared)?;
        let id = open.id().to_owned();
        let secrets = self.secrets(&id)?;
        let mut entities = self.entities(&id)?;
        if context {
            let values: Vec<&str> = entities
                .iter()
                .filter_map(|e| secrets.entities.iter().find(|k| k.id == e.id).map(|k| k.value.as_str()))
                .collect();
            let found = self.contexts(&open, &values)?;
            for (e, places) in entities.iter_mut().zip(found) {
                e.context = places;
            }
        }
        let reported = secrets.notes.into_iter().map(|n| ReportedValue {
            value: sanitize(&n.value),
            reason: n.reason.as_deref().map(sanitize),
            ..n
        });
        Ok(Inventory {
            undecided: entities.iter().filter(|e| e.decision.is_none()).count() as u64,
            entities,
            reported: reported.collect(),
            release: id,
        })
    }

    /// Every value of the inventory with its decision. Those without a decision come first.
    pub(super) fn entities(&self, id: &str) -> Result<Vec<EntityItem>, Failure> {
        let decided = self.decided(id)?;
        let known = self.secrets(id)?.entities.into_iter();
        let mut entities: Vec<EntityItem> = known
            .map(|e| EntityItem {
                decision: decided.get(&e.id).copied(),
                value: sanitize(&e.value).chars().take(MAX_VALUE_CHARS).collect(),
                id: e.id,
                kind: e.kind,
                count: e.count,
                context: Vec::new(),
            })
            .collect();
        entities.sort_by_key(|e| (e.decision.is_some(), std::cmp::Reverse(e.count)));
        Ok(entities)
    }

    /// The words around each of these values in the sealed rows.
    fn contexts(&self, open: &OpenRelease, values: &[&str]) -> Result<Vec<Vec<String>>, Failure> {
        let mut out = vec![Vec::new(); values.len()];
        if values.is_empty() {
            return Ok(out);
        }
        let finder = AhoCorasick::new(values).map_err(|e| Failure::failed("inventory", e.to_string()))?;
        for sealed in self.sealed_rows(open, &|_| true)? {
            // One value may be a part of another, so the matches may overlap.
            for hit in finder.find_overlapping_iter(&sealed.text) {
                let Some(places) = out.get_mut(hit.pattern().as_usize()) else { continue };
                if places.len() < MAX_PLACES {
                    let words = excerpt(&sealed.text, hit.start(), hit.end());
                    places.push(format!("{}: {words}", sealed.row.key));
                }
            }
        }
        Ok(out)
    }
}

/// A part of sealed JSON with some characters around it, as one sanitized line.
fn excerpt(text: &str, start: usize, end: usize) -> String {
    let before: String =
        text[..start].chars().rev().take(CONTEXT_CHARS).collect::<Vec<_>>().into_iter().rev().collect();
    let after: String = text[end..].chars().take(CONTEXT_CHARS).collect();
    let line = format!("{before}{}{after}", &text[start..end]);
    let line = line.replace("\\n", " ").replace("\\t", " ").replace("\\\"", "\"").replace(['\n', '\t'], " ");
    let words: Vec<&str> = line.split_whitespace().collect();
    sanitize(&format!("…{}…", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_around_the_value() {
        let text = r#"{"content":"first\nsaid \"hello\" to Ada Brook today\nand more é"}"#;
        let at = text.find("Ada Brook").unwrap();
        let line = excerpt(text, at, at + 9);
        assert_eq!(line, "…{\"content\":\"first said \"hello\" to Ada Brook today and more é\"}…");
        let long = "é".repeat(500);
        assert_eq!(excerpt(&long, 400, 402).chars().count(), 2 * CONTEXT_CHARS + 3);
    }
}
