//! The inventory as a person goes through it: every value with where it stands, what was decided, what was reported.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;
use serde::Serialize;

use crate::trace::Timestamp;
use crate::workflow::Phase;

use super::EntityItem;
use crate::app::release::Open;
use crate::app::{App, Failure, text::sanitize};

/// Places of a value that are shown.
const PLACES: usize = 2;
/// Characters before and after it.
const AROUND: usize = 70;

/// The inventory of a release.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Inventory {
    /// Release.
    pub release: String,
    /// Things without a decision.
    pub undecided: u64,
    /// Everything, the undecided first, then by how often it stands there.
    pub entities: Vec<EntityItem>,
    /// What reviewers reported; it is redacted.
    pub reported: Vec<ReportedItem>,
}

/// A value that a reviewer reported.
#[derive(Debug, Clone, Serialize)]
pub struct ReportedItem {
    /// Kind.
    pub kind: String,
    /// The value. Untrusted text.
    pub value: String,
    /// Who reported it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// How sure they were, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl App {
    /// The inventory of a release, where it is wanted with the words around each value.
    ///
    /// # Errors
    /// [`Failure`] where there is no release or its sealed files changed.
    pub fn inventory(&mut self, release: Option<&str>, context: bool) -> Result<Inventory, Failure> {
        let open = self.required(release, Phase::Prepared)?;
        let id = open.release.id.clone();
        let private = self.private(&id)?;
        let mut entities = self.entities(&id)?;
        if context {
            let values: Vec<&str> = entities
                .iter()
                .filter_map(|e| private.entities.iter().find(|k| k.id == e.id).map(|k| k.value.as_str()))
                .collect();
            let found = self.contexts(&open, &values)?;
            for (e, places) in entities.iter_mut().zip(found) {
                e.context = places;
            }
        }
        let reported = private.notes.into_iter().map(|n| ReportedItem {
            kind: n.kind,
            value: sanitize(&n.value),
            by: n.by,
            at: n.at,
            confidence: n.confidence,
            reason: n.reason.map(|r| sanitize(&r)),
        });
        Ok(Inventory {
            undecided: entities.iter().filter(|e| e.decision.is_none()).count() as u64,
            entities,
            reported: reported.collect(),
            release: id,
        })
    }

    /// Every value of the inventory with its decision, the undecided first.
    pub(super) fn entities(&self, id: &str) -> Result<Vec<EntityItem>, Failure> {
        let decided: BTreeMap<String, String> = self.decided(id)?;
        let known = self.private(id)?.entities.into_iter();
        let mut entities: Vec<EntityItem> = known
            .map(|e| EntityItem {
                decision: decided.get(&e.id).cloned(),
                value: sanitize(&e.value).chars().take(120).collect(),
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
    fn contexts(&self, open: &Open, values: &[&str]) -> Result<Vec<Vec<String>>, Failure> {
        let mut out = vec![Vec::new(); values.len()];
        if values.is_empty() {
            return Ok(out);
        }
        let finder = AhoCorasick::new(values).map_err(|e| Failure::failed("inventory", e.to_string()))?;
        for (row, text) in self.sealed_rows_of(open, &|_| true)? {
            for hit in finder.find_overlapping_iter(&text) {
                let Some(places) = out.get_mut(hit.pattern().as_usize()) else { continue };
                if places.len() < PLACES {
                    places.push(format!("{}: {}", row.key, excerpt(&text, hit.start(), hit.end())));
                }
            }
        }
        Ok(out)
    }
}

/// A stretch of sealed JSON with some characters around it, as one harmless line.
fn excerpt(text: &str, start: usize, end: usize) -> String {
    let before: String =
        text[..start].chars().rev().take(AROUND).collect::<Vec<_>>().into_iter().rev().collect();
    let after: String = text[end..].chars().take(AROUND).collect();
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
        assert_eq!(excerpt(&long, 400, 402).chars().count(), 2 * AROUND + 3);
    }
}
