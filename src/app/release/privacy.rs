//! The privacy sheet of a release or of one of its sessions: what was found, what was decided by whom, who read it.
//!
//! It holds no value in clear: values are masked, stand-ins are those of the sealed files.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::redact::FindingNote;
use crate::store::Decision;
use crate::trace::{SessionKey, Timestamp};
use crate::workflow::Phase;

use crate::app::release::prepare::EntityCounts;
use crate::app::release::review::EvidenceReport;
use crate::app::release::{EntityKeep, Open};
use crate::app::{App, Failure};

/// Someone or something that appears across sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Kind, for instance `PERSON`.
    pub kind: String,
    /// What stands in the sealed files where it was redacted; the masked value where it was not.
    pub shown: String,
    /// The masked value.
    pub masked: String,
    /// Sessions it appears in.
    pub sessions: u64,
    /// How often, in all.
    pub count: u64,
    /// `redact`, `keep`, or nothing where it waits for a decision. What rules redact by themselves is `rule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
}

/// A decision, without the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecisionLine {
    /// Kind.
    pub kind: String,
    /// The masked value.
    pub masked: String,
    /// `redact` or `keep`.
    pub decision: String,
    /// `person` or `agent`.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Whether it holds for every release.
    pub always: bool,
    /// Why it may stay in clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a reviewer reported, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedLine {
    /// Who.
    pub by: String,
    /// What they were.
    pub kind: String,
    /// How many values.
    pub count: u64,
    /// One of them, masked.
    pub masked: String,
}

/// A session of the release in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionLine {
    /// Session.
    pub session: SessionKey,
    /// Redactions in it.
    pub redactions: u64,
    /// Who read it to its end; nothing where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_by: Option<String>,
}

/// The sheet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrivacySheet {
    /// Release.
    pub release: String,
    /// The session, where the sheet is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionKey>,
    /// Where the release stands.
    pub phase: Phase,
    /// Digest of the sealed files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Version of this program.
    pub clawgate_version: &'static str,
    /// Version of the rules.
    pub rules_version: String,
    /// Hash of the policy.
    pub policy: String,
    /// Redactions by kind.
    pub redactions: BTreeMap<String, u64>,
    /// A masked example of each.
    pub examples: BTreeMap<String, String>,
    /// The inventory in figures.
    pub entities: EntityCounts,
    /// What was decided on it, by whom.
    pub decisions: Vec<DecisionLine>,
    /// What reviewers reported, by whom.
    pub reported: Vec<ReportedLine>,
    /// What the review is bound by, and how an agent that read did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
    /// People and organisations that appear in two sessions or more, most sessions first; at most 100.
    pub third_parties: Vec<Party>,
    /// The sessions, most redactions first; at most 100.
    pub sessions: Vec<SessionLine>,
    /// Who read the session to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_by: Option<String>,
}

/// Kinds of people and organisations.
const PARTIES: &[&str] = &[
    "PERSON",
    "ORG",
    "CLIENT",
    "EMAIL",
    "PHONE",
    "HANDLE",
    "USER",
    "URL",
    "HOST",
    "CLOUD_ACCOUNT",
    "ADDRESS",
];
/// Lists are not longer.
const MOST: usize = 100;

/// Counts who appears where, while the rows of a release are made.
#[derive(Debug, Clone, Default)]
pub(in crate::app) struct Parties(BTreeMap<(String, String), (String, BTreeSet<SessionKey>, u64)>);

impl Parties {
    /// Counts what was redacted in a session.
    pub fn add(&mut self, session: &SessionKey, findings: &[FindingNote]) {
        for f in findings.iter().filter(|f| PARTIES.contains(&f.kind.as_str())) {
            let key = (f.kind.clone(), f.placeholder.clone());
            let (_, sessions, count) =
                self.0.entry(key).or_insert_with(|| (f.masked.clone(), BTreeSet::new(), 0));
            sessions.insert(session.clone());
            *count += f.count;
        }
    }

    /// Those that appear in two sessions or more, most sessions first.
    pub fn across(self) -> Vec<Party> {
        let mut out: Vec<Party> = self
            .0
            .into_iter()
            .filter(|(_, (_, sessions, _))| sessions.len() > 1)
            .map(|((kind, shown), (masked, sessions, count))| Party {
                kind,
                shown,
                masked,
                sessions: sessions.len() as u64,
                count,
                decision: Some("rule".to_owned()),
            })
            .collect();
        out.sort_by_key(most_first);
        out.truncate(MOST);
        out
    }
}

/// Most sessions first, then most places.
fn most_first(p: &Party) -> std::cmp::Reverse<(u64, u64)> {
    std::cmp::Reverse((p.sessions, p.count))
}

/// A value with all but its first character hidden.
fn masked(value: &str) -> String {
    let n = value.chars().count();
    let dots = "•".repeat(n.min(8));
    match value.chars().next() {
        Some(c) if n >= 4 => format!("{} ({n})", crate::app::text::sanitize(&format!("{c}{dots}"))),
        _ => format!("{dots} ({n})"),
    }
}

impl App {
    /// The privacy sheet of a release, or of one of its sessions.
    ///
    /// # Errors
    /// [`Failure`] where nothing was prepared, or the release has no such session.
    pub fn privacy_sheet(
        &mut self,
        release: Option<&str>,
        session: Option<&str>,
    ) -> Result<PrivacySheet, Failure> {
        let open = self.required(release, Phase::Prepared)?;
        let id = open.release.id.clone();
        let Some(report) = open.extra.report.clone() else {
            return Err(Failure::usage("not_prepared", "This release was not prepared yet.")
                .hint(format!("clawgate prepare {id}")));
        };
        let private = self.private(&id)?;
        let decisions: Vec<Decision> = self
            .archive
            .decisions()?
            .into_iter()
            .filter(|d| d.release.is_empty() || d.release == id)
            .collect();
        let mut sheet = PrivacySheet {
            phase: open.release.phase,
            digest: open.release.digest().map(str::to_owned),
            clawgate_version: env!("CARGO_PKG_VERSION"),
            rules_version: report.rules_version,
            policy: report.policy,
            redactions: report.redactions,
            examples: report.examples,
            entities: report.entities,
            decisions: Vec::new(),
            reported: Vec::new(),
            evidence: open.release.evidence.as_ref().map(EvidenceReport::from),
            third_parties: open.extra.parties.clone(),
            sessions: Vec::new(),
            read_by: None,
            session: None,
            release: id,
        };
        let mut here: Vec<&EntityKeep> = private.entities.iter().collect();
        if let Some(named) = session {
            let key = self.resolve(named)?;
            self.narrow(&open, &key, &mut sheet)?;
            here.retain(|e| e.sessions.contains(&key));
            sheet.entities = counts(&here, &decisions);
            sheet.session = Some(key);
        } else {
            sheet.third_parties.extend(across(&here, &decisions));
            sheet.third_parties.sort_by_key(most_first);
            sheet.third_parties.truncate(MOST);
            sheet.sessions = lines(&open);
            let mut by: BTreeMap<(String, String), (u64, String)> = BTreeMap::new();
            for n in &private.notes {
                by.entry((n.by.clone(), n.kind.clone())).or_insert_with(|| (0, masked(&n.value))).0 += 1;
            }
            let line = |((by, kind), (count, masked))| ReportedLine { by, kind, count, masked };
            sheet.reported = by.into_iter().map(line).collect();
        }
        for e in here {
            // The decision for this release comes after the one for all of them, and holds.
            let Some(d) = decisions.iter().rfind(|d| d.value_hash == e.id) else { continue };
            sheet.decisions.push(DecisionLine {
                kind: e.kind.clone(),
                masked: masked(&e.value),
                decision: d.decision.clone(),
                by: d.actor.clone(),
                at: d.at,
                always: d.release.is_empty(),
                reason: d.reason.clone(),
            });
        }
        Ok(sheet)
    }

    /// Narrows a sheet to one session.
    fn narrow(&self, open: &Open, key: &SessionKey, sheet: &mut PrivacySheet) -> Result<(), Failure> {
        let Some(row) = open.extra.rows.iter().find(|r| r.key == *key) else {
            return Err(Failure::usage(
                "not_in_release",
                format!("{key} is not in release {}.", sheet.release),
            )
            .hint(format!("clawgate privacy {}", sheet.release)));
        };
        sheet.redactions.clone_from(&row.redactions);
        sheet.examples.clone_from(&row.examples);
        sheet.third_parties.clear();
        sheet.read_by = open.release.read.get(&row.sha256).map(|r| r.by.clone());
        Ok(())
    }
}

fn counts(here: &[&EntityKeep], decisions: &[Decision]) -> EntityCounts {
    let mut out = EntityCounts { total: here.len() as u64, ..EntityCounts::default() };
    for e in here {
        match decisions.iter().rfind(|d| d.value_hash == e.id).map(|d| d.decision.as_str()) {
            Some("redact") => out.redacted += 1,
            Some(_) => out.kept += 1,
            None => out.undecided += 1,
        }
    }
    out
}

/// What of the inventory appears in two sessions or more.
fn across(here: &[&EntityKeep], decisions: &[Decision]) -> Vec<Party> {
    let across = here.iter().filter(|e| e.sessions.len() > 1 && PARTIES.contains(&e.kind.as_str()));
    across
        .map(|e| Party {
            kind: e.kind.clone(),
            shown: masked(&e.value),
            masked: masked(&e.value),
            sessions: e.sessions.len() as u64,
            count: e.count,
            decision: decisions.iter().rfind(|d| d.value_hash == e.id).map(|d| d.decision.clone()),
        })
        .collect()
}

fn lines(open: &Open) -> Vec<SessionLine> {
    let mut out: Vec<SessionLine> = open
        .extra
        .rows
        .iter()
        .map(|r| SessionLine {
            session: r.key.clone(),
            redactions: r.redactions.values().sum(),
            read_by: open.release.read.get(&r.sha256).map(|r| r.by.clone()),
        })
        .collect();
    out.sort_by_key(|l| std::cmp::Reverse(l.redactions));
    out.truncate(MOST);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parties_are_counted_by_session_and_ordinary_kinds_are_none() {
        let note = |kind: &str, placeholder: &str, count: u64| FindingNote {
            kind: kind.into(),
            rule: "r".into(),
            field: "f".into(),
            placeholder: placeholder.into(),
            confidence: 90,
            masked: "A•••• (9)".into(),
            count,
        };
        let key = |n: usize| SessionKey::new("claude", &n.to_string());
        let mut parties = Parties::default();
        parties.add(
            &key(1),
            &[note("PERSON", "[PERSON_a]", 2), note("PERSON", "[PERSON_a]", 1), note("JWT", "[JWT_a]", 5)],
        );
        parties.add(
            &key(2),
            &[note("PERSON", "[PERSON_a]", 4), note("PERSON", "[PERSON_b]", 9), note("JWT", "[JWT_a]", 5)],
        );
        let across = parties.across();
        assert_eq!(across.len(), 1, "{across:?}");
        assert_eq!((across[0].shown.as_str(), across[0].sessions, across[0].count), ("[PERSON_a]", 2, 7));
    }

    #[test]
    fn nothing_but_a_first_character_shows() {
        assert_eq!(masked("Ada Brook"), "A•••••••• (9)");
        assert_eq!(masked("Ada"), "••• (3)");
        assert_eq!(masked(""), " (0)");
    }
}
