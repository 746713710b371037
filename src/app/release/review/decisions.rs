//! Decisions on the inventory: who may take which, how far they hold, and taking the last ones back.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::store::Decision;
use crate::trace::Timestamp;
use crate::workflow::{Event, Phase};

use super::DecisionIn;
use crate::app::context::Actor;
use crate::app::release::Open;
use crate::app::{App, Failure, Kind};

/// The reason that a decision to redact a value everywhere carries.
const EVERYWHERE: &str = "redacted wherever it stands";

/// What was taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// Values whose decision or report was taken back. Untrusted text.
    pub values: Vec<String>,
}

impl App {
    /// What was decided on the values that a release may hold: `redact` or `keep`, by keyed hash.
    pub(crate) fn decided(&self, release: &str) -> Result<BTreeMap<String, String>, Failure> {
        // Of one value the decision for every release comes first, so the one for this release wins.
        let all = self.archive.decisions()?.into_iter();
        let here = all.filter(|d| d.release.is_empty() || d.release == release);
        Ok(here.map(|d| (d.value_hash, d.decision)).collect())
    }

    /// Takes decisions on the inventory of a release without sealing it again.
    ///
    /// # Errors
    /// [`Failure`] where nothing is prepared, an id is unknown, or a decision is not this caller's.
    pub fn decide(&mut self, release: Option<&str>, decisions: &[DecisionIn]) -> Result<bool, Failure> {
        let mut open = self.required(release, Phase::Prepared)?;
        let taken = self.take_decisions(&open, decisions)?;
        self.tell_decided(&mut open)?;
        Ok(taken)
    }

    fn undecided(&self, open: &Open) -> Result<u64, Failure> {
        Ok(self.entities(&open.release.id)?.iter().filter(|e| e.decision.is_none()).count() as u64)
    }

    /// Tells the state machine how much is undecided: what opened again takes the release back at once.
    fn tell_decided(&mut self, open: &mut Open) -> Result<(), Failure> {
        let undecided_entities = self.undecided(open)?;
        let event = Event::Decided { open_findings: 0, undecided_entities, touched: Vec::new() };
        self.step(open, &event).map(drop)
    }

    /// Seals a release again whose decisions, reports or lists changed since it was sealed; the rows that came out
    /// otherwise, or nothing where it is sealed as it stands.
    ///
    /// # Errors
    /// [`Failure`] where there is no release, or as `prepare`.
    pub fn seal_again(&mut self, release: Option<&str>) -> Result<Option<u64>, Failure> {
        let mut open = self.required(release, Phase::Prepared)?;
        let sealed_with = open.extra.report.as_ref().map(|r| r.entities.undecided);
        let stands = open.release.phase > Phase::Draft && sealed_with == Some(self.undecided(&open)?);
        if stands || open.extra.rows.is_empty() || open.release.chosen.is_empty() {
            return Ok(None);
        }
        let rows = open.extra.rows.len() as u64;
        Ok(Some(rows.saturating_sub(self.seal(&mut open)?.rows_unchanged)))
    }

    pub(super) fn take_decisions(&mut self, open: &Open, decisions: &[DecisionIn]) -> Result<bool, Failure> {
        if decisions.is_empty() {
            return Ok(false);
        }
        let id = open.release.id.clone();
        let known = self.private(&id)?.entities;
        let decided = self.decided(&id)?;
        let now = self.now();
        let mut taken: Vec<Decision> = Vec::new();
        let mut strings: Vec<String> = Vec::new();
        for d in decisions {
            match (d.decision.as_str(), self.ctx.actor) {
                ("redact", _) => {}
                ("keep", Actor::Person) if d.reason.as_deref().is_some_and(|r| r.trim().len() >= 3) => {}
                ("keep", Actor::Person) => {
                    return Err(Failure::usage("no_reason", "Keeping something in clear needs a reason."));
                }
                ("keep", Actor::Agent) => {
                    let command = format!("clawgate review {id}");
                    return Err(Failure::new(
                        Kind::HumanNeeded,
                        "human_keeps",
                        format!(
                            "Only a person may keep something in clear. Show them this command: {command}"
                        ),
                    )
                    .hint(command));
                }
                _ => return Err(Failure::usage("bad_decision", "A decision is redact or keep.")),
            }
            let open = |e: &str| !decided.contains_key(e);
            let meant: Vec<_> =
                known.iter().filter(|e| e.id == d.id || (d.id == "all" && open(&e.id))).collect();
            if meant.is_empty() && d.id != "all" {
                return Err(Failure::usage("no_such_entity", "The inventory has nothing with this id."));
            }
            let everywhere = d.decision == "redact" && d.always;
            if everywhere {
                strings.extend(meant.iter().map(|e| e.value.clone()));
            }
            // A value that was redacted once is redacted again; one that was kept is kept in this release only.
            let here = d.decision == "keep" && !d.always;
            taken.extend(meant.into_iter().map(|e| Decision {
                value_hash: e.id.clone(),
                kind: e.kind.clone(),
                release: if here { id.clone() } else { String::new() },
                decision: d.decision.clone(),
                reason: if everywhere { Some(EVERYWHERE.to_owned()) } else { d.reason.clone() },
                actor: self.ctx.actor.as_str().to_owned(),
                at: now,
            }));
        }
        for d in &taken {
            self.archive.decide(d)?;
        }
        if !strings.is_empty() {
            self.redact_strings(&strings, &[])?;
        }
        let count = |what: &str| taken.iter().filter(|d| d.decision == what).count();
        let detail = serde_json::json!({
            "count": taken.len(), "redact": count("redact"), "keep": count("keep"), "everywhere": strings.len(),
        });
        self.audit("entities_decided", Some(&id), detail)?;
        Ok(!taken.is_empty())
    }

    /// Takes back what a person decided or reported last in a release, without sealing it again.
    ///
    /// # Errors
    /// [`Failure`] where an agent asks, or nothing is prepared.
    pub fn undo_decision(&mut self, release: Option<&str>) -> Result<Undone, Failure> {
        let mut open = self.required(release, Phase::Prepared)?;
        let id = open.release.id.clone();
        if self.ctx.actor == Actor::Agent {
            let command = format!("clawgate review {id} --undo");
            return Err(Failure::new(
                Kind::HumanNeeded,
                "human_keeps",
                format!("Only a person may take a redaction back: {command}"),
            )
            .hint(command));
        }
        let mut private = self.private(&id)?;
        let named: BTreeMap<String, String> =
            private.entities.iter().map(|e| (e.id.clone(), e.value.clone())).collect();
        let decisions: Vec<Decision> = self
            .archive
            .decisions()?
            .into_iter()
            .filter(|d| d.actor == super::PERSON && named.contains_key(&d.value_hash))
            .filter(|d| d.release.is_empty() || d.release == id)
            .collect();
        let notes = private.notes.iter().filter(|n| n.by == super::PERSON);
        let last: Option<Timestamp> = decisions.iter().map(|d| d.at).chain(notes.map(|n| n.at)).max();
        let Some(last) = last else { return Ok(Undone::default()) };
        let mut undone = Undone::default();
        let mut strings = Vec::new();
        for d in decisions.iter().filter(|d| d.at == last) {
            self.archive.undecide(&d.value_hash)?;
            let value = named.get(&d.value_hash).cloned().unwrap_or_default();
            if d.reason.as_deref() == Some(EVERYWHERE) {
                strings.push(value.clone());
            }
            undone.values.push(value);
        }
        self.redact_strings(&[], &strings)?;
        let gone = private.notes.extract_if(.., |n| n.by == super::PERSON && n.at == last);
        for n in gone.collect::<Vec<_>>() {
            private.reported.remove(&(n.kind, n.value.clone()));
            undone.values.push(n.value);
        }
        self.save_private(&id, &private)?;
        self.audit("decisions_undone", Some(&id), serde_json::json!({ "count": undone.values.len() }))?;
        self.tell_decided(&mut open)?;
        Ok(undone)
    }
}
