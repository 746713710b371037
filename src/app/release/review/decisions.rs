//! Decisions about the inventory: taking them, and undoing the last ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::app::{App, Failure, Kind};
use crate::store::Decision;
use crate::trace::Timestamp;
use crate::workflow::{Actor, EntityDecision, Event, Phase};

use super::{DecisionIn, OpenRelease, PERSON};

/// The reason that is stored with a decision to redact a value everywhere. It marks the custom string that has to be
/// removed when the decision is undone.
const REDACTED_EVERYWHERE: &str = "redacted everywhere";
/// The same reason in archives of earlier versions.
const OLD_REDACTED_EVERYWHERE: &str = "redacted wherever it stands";
/// The id that means every value without a decision.
const ALL: &str = "all";
/// Minimum length of a reason, in bytes.
const MIN_REASON_BYTES: usize = 3;

/// The result of an undo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// Values whose decision or report was undone. Untrusted text.
    pub values: Vec<String>,
}

impl App {
    /// The decisions that apply to a release, by the keyed hash of the value.
    pub(crate) fn decided(&self, release: &str) -> Result<BTreeMap<String, EntityDecision>, Failure> {
        // The archive returns the decision for every release first, so that the one for this release overrides it.
        let all = self.archive.decisions()?.into_iter();
        let applicable = all.filter(|d| d.release.is_empty() || d.release == release);
        Ok(applicable.map(|d| (d.value_hash, d.decision)).collect())
    }

    /// Keyed hashes of the values with this decision.
    pub(crate) fn decided_values(
        &self,
        release: &str,
        decision: EntityDecision,
    ) -> Result<BTreeSet<String>, Failure> {
        let decided = self.decided(release)?.into_iter();
        Ok(decided.filter(|(_, d)| *d == decision).map(|(value, _)| value).collect())
    }

    /// Takes decisions about the inventory of a release without sealing it again.
    ///
    /// # Errors
    /// [`Failure`] if the release is not prepared, an id is unknown, or only a person may take a decision.
    pub fn decide(&mut self, release: Option<&str>, decisions: &[DecisionIn]) -> Result<bool, Failure> {
        let mut open = self.required_release(release, Phase::Prepared)?;
        let taken = self.take_decisions(&open, decisions)?;
        self.report_undecided(&mut open)?;
        Ok(taken)
    }

    pub(crate) fn count_undecided(&self, open: &OpenRelease) -> Result<u64, Failure> {
        Ok(self.entities(open.id())?.iter().filter(|e| e.decision.is_none()).count() as u64)
    }

    /// Reports the number of undecided values to the state machine. A new undecided value ends the review at once.
    fn report_undecided(&mut self, open: &mut OpenRelease) -> Result<(), Failure> {
        let undecided_entities = self.count_undecided(open)?;
        self.step(open, &Event::Decided { open_findings: 0, undecided_entities, touched: Vec::new() })
    }

    /// Seals a release again if decisions, reports or configuration changed after it was sealed. Returns the number of
    /// rows that changed, or `None` if the release is sealed with all changes.
    ///
    /// # Errors
    /// [`Failure`] if there is no release, or as [`App::prepare`].
    pub fn seal_again(&mut self, release: Option<&str>) -> Result<Option<u64>, Failure> {
        let mut open = self.required_release(release, Phase::Prepared)?;
        let undecided_when_sealed = open.data.report.as_ref().map(|r| r.entities.undecided);
        let is_current =
            open.release.phase > Phase::Draft && undecided_when_sealed == Some(self.count_undecided(&open)?);
        if is_current || open.data.rows.is_empty() || open.release.chosen.is_empty() {
            return Ok(None);
        }
        self.reseal(&mut open).map(Some)
    }

    /// Stores decisions. Returns whether there were any.
    pub(super) fn take_decisions(
        &mut self,
        open: &OpenRelease,
        decisions: &[DecisionIn],
    ) -> Result<bool, Failure> {
        if decisions.is_empty() {
            return Ok(false);
        }
        let id = open.id();
        let known = self.secrets(id)?.entities;
        let decided = self.decided(id)?;
        let mut taken: Vec<Decision> = Vec::new();
        let mut custom_strings: Vec<String> = Vec::new();
        for d in decisions {
            check_decision(d, self.ctx.actor, id)?;
            let is_meant = |e: &str| e == d.id || (d.id == ALL && !decided.contains_key(e));
            let meant: Vec<_> = known.iter().filter(|e| is_meant(&e.id)).collect();
            if meant.is_empty() && d.id != ALL {
                return Err(Failure::usage("no_such_entity", "The inventory has no value with this id."));
            }
            let everywhere = d.decision == EntityDecision::Redact && d.always;
            if everywhere {
                custom_strings.extend(meant.iter().map(|e| e.value.clone()));
            }
            // A redacted value stays redacted in later releases. A kept value is kept in this release only, unless the
            // person says otherwise.
            let only_here = d.decision == EntityDecision::Keep && !d.always;
            taken.extend(meant.into_iter().map(|e| Decision {
                value_hash: e.id.clone(),
                kind: e.kind.clone(),
                release: if only_here { id.to_owned() } else { String::new() },
                decision: d.decision,
                reason: if everywhere { Some(REDACTED_EVERYWHERE.to_owned()) } else { d.reason.clone() },
                actor: self.ctx.actor,
                at: self.now(),
            }));
        }
        for d in &taken {
            self.archive.put_decision(d)?;
        }
        if !custom_strings.is_empty() {
            self.redact_strings(&custom_strings, &[])?;
        }
        let count = |decision| taken.iter().filter(|d| d.decision == decision).count();
        let detail = serde_json::json!({
            "count": taken.len(),
            "redact": count(EntityDecision::Redact),
            "keep": count(EntityDecision::Keep),
            "everywhere": custom_strings.len(),
        });
        self.audit("entities_decided", Some(id), detail)?;
        Ok(!taken.is_empty())
    }

    /// Undoes what a person decided or reported last in a release, without sealing it again.
    ///
    /// # Errors
    /// [`Failure`] if the caller is an agent, or the release is not prepared.
    pub fn undo_decision(&mut self, release: Option<&str>) -> Result<Undone, Failure> {
        let mut open = self.required_release(release, Phase::Prepared)?;
        let id = open.id().to_owned();
        if self.ctx.actor == Actor::Agent {
            let command = format!("clawgate review {id} --undo");
            let message = format!("Only a person may undo a redaction: {command}");
            return Err(Failure::new(Kind::HumanNeeded, "human_keeps", message).hint(command));
        }
        let mut secrets = self.secrets(&id)?;
        let values: BTreeMap<String, String> =
            secrets.entities.iter().map(|e| (e.id.clone(), e.value.clone())).collect();
        let decisions: Vec<Decision> = self
            .archive
            .decisions()?
            .into_iter()
            .filter(|d| d.actor == Actor::Person && values.contains_key(&d.value_hash))
            .filter(|d| d.release.is_empty() || d.release == id)
            .collect();
        let reported = secrets.notes.iter().filter(|n| n.by == PERSON);
        let last: Option<Timestamp> = decisions.iter().map(|d| d.at).chain(reported.map(|n| n.at)).max();
        let Some(last) = last else { return Ok(Undone::default()) };
        let mut undone = Undone::default();
        let mut custom_strings = Vec::new();
        for d in decisions.iter().filter(|d| d.at == last) {
            self.archive.remove_decisions(&d.value_hash)?;
            let value = values.get(&d.value_hash).cloned().unwrap_or_default();
            if matches!(d.reason.as_deref(), Some(REDACTED_EVERYWHERE | OLD_REDACTED_EVERYWHERE)) {
                custom_strings.push(value.clone());
            }
            undone.values.push(value);
        }
        self.redact_strings(&[], &custom_strings)?;
        let removed = secrets.notes.extract_if(.., |n| n.by == PERSON && n.at == last);
        for n in removed.collect::<Vec<_>>() {
            secrets.reported.remove(&(n.kind, n.value.clone()));
            undone.values.push(n.value);
        }
        self.save_secrets(&id, &secrets)?;
        self.audit("decisions_undone", Some(&id), serde_json::json!({ "count": undone.values.len() }))?;
        self.report_undecided(&mut open)?;
        Ok(undone)
    }
}

/// Checks that the actor may take a decision, and that a kept value has a reason.
fn check_decision(d: &DecisionIn, actor: Actor, release: &str) -> Result<(), Failure> {
    match (d.decision, actor) {
        (EntityDecision::Redact, _) => Ok(()),
        (EntityDecision::Keep, Actor::Agent) => {
            let command = format!("clawgate review {release}");
            let message =
                format!("Only a person may keep a value in clear. Show them this command: {command}");
            Err(Failure::new(Kind::HumanNeeded, "human_keeps", message).hint(command))
        }
        (EntityDecision::Keep, Actor::Person) => match &d.reason {
            Some(reason) if reason.trim().len() >= MIN_REASON_BYTES => Ok(()),
            _ => Err(Failure::usage("no_reason", "Keeping a value in clear needs a reason.")),
        },
    }
}
