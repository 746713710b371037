//! Prepare: redacts the chosen sessions, seals the files, fixes the digest, writes the privacy report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::gate::write_sealed;
use crate::store::Mark;
use crate::trace::{SessionKey, Version};
use crate::workflow::{
    Destination, Event, FileEntry, Phase, Preparation, Refusal, Release, Row, Target, Visibility, digest,
    sample_size,
};

use crate::app::config::ExportConfig;
use crate::app::release::Budget;
use crate::app::release::{Extra, Open, RowKeep, hub_target, new_id};
use crate::app::{App, Failure};

/// What to prepare. Nothing set: every approved session in scope, to the configured destination.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PrepareParams {
    /// Release id (default the current one).
    pub release: Option<String>,
    /// Start another release.
    pub new: bool,
    /// Session keys (default all approved).
    pub sessions: Vec<String>,
    /// Hub dataset, owner/name.
    pub repo: Option<String>,
    /// Absolute folder, instead of `repo`.
    pub folder: Option<String>,
    /// Default private.
    #[schemars(with = "Option<Visibility>")]
    pub visibility: Option<String>,
    /// Licence id, chosen by the person.
    pub licence: Option<String>,
    /// Include the models' reasoning.
    pub thinking: Option<bool>,
    /// `exact`, `hour` or `shifted`.
    #[schemars(skip)]
    pub timestamps: Option<String>,
    /// `typed` or `realistic`.
    #[schemars(skip)]
    pub pseudonyms: Option<String>,
}

/// What was redacted, by kind and count; holds no value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrivacyReport {
    /// Redactions by kind.
    pub redactions: BTreeMap<String, u64>,
    /// Rows in which anything was redacted.
    pub rows_touched: u64,
    /// Masked examples by kind.
    pub examples: BTreeMap<String, String>,
    /// Things of the inventory: in all, without a decision, redacted, kept in clear.
    pub entities: EntityCounts,
    /// Version of the rules.
    pub rules_version: String,
    /// Hash of the policy.
    pub policy: String,
    /// Whether reasoning is included.
    pub thinking: bool,
    /// How timestamps are written.
    pub timestamps: String,
    /// How stand-ins of personal data look: `typed` or `realistic`.
    pub pseudonyms: String,
    /// Chosen sessions that could not become rows, and why.
    pub left_out: Vec<(SessionKey, String)>,
}

/// The inventory in figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntityCounts {
    /// Found.
    pub total: u64,
    /// Without a decision.
    pub undecided: u64,
    /// Redacted.
    pub redacted: u64,
    /// Kept in clear by a person's decision.
    pub kept: u64,
}

/// A prepared release.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PrepareReport {
    /// Release.
    pub release: String,
    /// Digest of the files.
    pub digest: String,
    /// Number of rows.
    pub rows: u64,
    /// Rows whose bytes are as they were before, and keep their review.
    pub rows_unchanged: u64,
    /// The files that would be published.
    pub files: Vec<FileEntry>,
    /// Where to.
    pub destination: Option<Destination>,
    /// Report.
    pub privacy_report: PrivacyReport,
    /// What the review that comes next will have to read; nothing where a review itself sealed again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Budget>,
}

/// Bytes of a review page, for the estimate of how many there will be.
const PAGE_BYTES: u64 = 4_500;

impl App {
    /// Prepares a release: redacts, seals, fixes the digest.
    ///
    /// # Errors
    /// [`Failure`] where a step comes first, a value is off, a known value survives in the sealed bytes, or the
    /// disk refuses.
    pub fn prepare(&mut self, p: &PrepareParams) -> Result<PrepareReport, Failure> {
        let facts = self.facts()?;
        if !facts.scanned || !facts.scope_confirmed {
            return Err(Refusal::without_release(&facts, Phase::Draft).into());
        }
        let open = if p.new && p.release.is_none() { None } else { self.current(p.release.as_deref())? };
        let fresh = open.is_none();
        let mut open = match open {
            Some(open) => open,
            None => Open {
                release: Release::new(new_id(self.now())?, facts),
                extra: Extra::default(),
                stored: None,
            },
        };
        self.take_params(&mut open.extra, p)?;
        let chosen = self.chosen(&open.extra)?;
        if chosen.is_empty() {
            let refusal = step_refusal(&open, &facts);
            return Err(refusal);
        }
        if fresh {
            self.audit("release_created", Some(&open.release.id), serde_json::json!({}))?;
        }
        self.step(&mut open, &Event::SessionsChosen { sessions: chosen })?;
        if let Some(destination) = self.destination(&open.extra)? {
            self.step(&mut open, &Event::DestinationChanged { destination })?;
        }
        let mut report = self.seal(&mut open)?;
        report.review = Some(self.review_budget(&open, PAGE_BYTES)?);
        Ok(report)
    }

    /// Makes and seals the files of a release as it stands.
    pub(crate) fn seal(&mut self, open: &mut Open) -> Result<PrepareReport, Failure> {
        let id = open.release.id.clone();
        let mut private = self.private(&id)?;
        let made = self.make(open, &private)?;
        let policy = made.report.policy.clone();
        self.step(open, &Event::PolicyChanged { policy: policy.clone() })?;
        let files = write_sealed(&self.sealed_dir(&id), &made.files)?;
        private.entities = made.entities;
        self.save_private(&id, &private)?;

        let before: BTreeSet<&str> = open.extra.rows.iter().map(|r| r.sha256.as_str()).collect();
        let unchanged = made.rows.iter().filter(|r| before.contains(r.sha256.as_str())).count() as u64;
        let digest = digest(&files);
        let rows: BTreeMap<SessionKey, Row> = made
            .rows
            .iter()
            .filter_map(|r| {
                let version = made.versions.get(&r.key)?.clone();
                Some((r.key.clone(), Row { version, sha256: r.sha256.clone() }))
            })
            .collect();
        open.extra.sample = sample(&made.rows, &digest, &open.extra.sample);
        open.extra.rows = made.rows;
        open.extra.parties = made.parties;
        open.extra.report = Some(made.report.clone());
        let event = Event::Prepared(Box::new(Preparation {
            rows,
            files: files.clone(),
            digest: digest.clone(),
            policy,
            open_findings: 0,
            undecided_entities: made.report.entities.undecided,
            sample: open.extra.sample.clone(),
        }));
        self.step(open, &event)?;
        self.save(open)?;
        Ok(PrepareReport {
            release: id,
            digest,
            rows: open.extra.rows.len() as u64,
            rows_unchanged: unchanged,
            files,
            destination: open.release.destination.clone(),
            privacy_report: made.report,
            review: None,
        })
    }

    fn take_params(&self, extra: &mut Extra, p: &PrepareParams) -> Result<(), Failure> {
        if !p.sessions.is_empty() {
            extra.named = p.sessions.iter().map(|s| self.resolve(s)).collect::<Result<_, _>>()?;
        }
        if p.repo.is_some() && p.folder.is_some() {
            return Err(Failure::usage("two_destinations", "Give a repository or a folder, not both."));
        }
        let target = match (&p.repo, &p.folder) {
            (Some(repo), _) => Some(hub_target(repo)?),
            (_, Some(path)) if Path::new(path).is_absolute() => Some(Target::Folder { path: path.clone() }),
            (_, Some(_)) => return Err(Failure::usage("bad_folder", "The folder must be an absolute path.")),
            _ => None,
        };
        if target.is_some() || p.visibility.is_some() || p.licence.is_some() {
            let old = self.destination(extra)?;
            let target = target.or(old.as_ref().map(|d| d.target.clone())).ok_or_else(|| {
                Failure::usage("no_destination", "Say where to: a repository or a folder.")
                    .hint("clawgate prepare --repo OWNER/NAME")
            })?;
            let visibility = match p.visibility.as_deref() {
                None => old.as_ref().map_or(self.config.publish.visibility, |d| d.visibility),
                Some("private") => Visibility::Private,
                Some("public") => Visibility::Public,
                Some(_) => return Err(Failure::usage("bad_visibility", "Visibility is private or public.")),
            };
            let licence =
                p.licence.clone().or(old.and_then(|d| d.licence)).or(self.config.publish.licence.clone());
            extra.destination = Some(Destination { target, visibility, licence });
        }
        if p.thinking.is_some() || p.timestamps.is_some() || p.pseudonyms.is_some() {
            let mut export: ExportConfig = self.export_options(extra);
            export.thinking = p.thinking.unwrap_or(export.thinking);
            if let Some(t) = &p.timestamps {
                export.timestamps.clone_from(t);
            }
            if let Some(t) = &p.pseudonyms {
                export.pseudonyms.clone_from(t);
            }
            extra.export = Some(export);
        }
        Ok(())
    }

    /// The sessions that belong into a release now: named or approved, in scope, not blocked; their subagents too.
    fn chosen(&self, extra: &Extra) -> Result<BTreeMap<SessionKey, Version>, Failure> {
        let roots: Vec<SessionKey> = match extra.named.is_empty() {
            true => self.archive.marked(Mark::Approved)?,
            false => extra.named.clone(),
        };
        let mut keys: BTreeSet<SessionKey> = roots.iter().cloned().collect();
        keys.extend(self.archive.descendants(&roots)?);
        let mut chosen = BTreeMap::new();
        for key in keys {
            let Some(row) = self.archive.session(key.as_str())? else { continue };
            if row.status == Mark::Blocked || !self.in_scope(&key)? {
                continue;
            }
            if extra.named.contains(&key) && row.status != Mark::Approved {
                return Err(Failure::usage("not_approved", format!("{key} is not approved."))
                    .hint(format!("clawgate approve {key}")));
            }
            // A session without messages makes no row.
            if row.user_messages + row.assistant_messages + row.tool_calls > 0 {
                chosen.insert(key, row.version);
            }
        }
        Ok(chosen)
    }
}

fn step_refusal(open: &Open, facts: &crate::workflow::ArchiveFacts) -> Failure {
    let mut refusal = Refusal::without_release(facts, Phase::Draft);
    refusal.state = open.release.phase;
    Failure::from(refusal)
}

/// Keyed hash of a value of the inventory: the same on this machine for every release, meaningless elsewhere.
pub(crate) fn value_id(key: &[u8; 32], kind: &str, value: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(kind.as_bytes());
    mac.update(&[0]);
    mac.update(value.trim().to_lowercase().as_bytes());
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()[..10])
}

/// The sessions whose rows must be read: kept from before as far as they are still there, filled up stratum by
/// stratum (agent and project) in an order that the digest decides.
fn sample(rows: &[RowKeep], digest: &str, before: &[SessionKey]) -> Vec<SessionKey> {
    let want = sample_size(rows.len());
    let there: BTreeSet<&SessionKey> = rows.iter().map(|r| &r.key).collect();
    let mut sample: Vec<SessionKey> = before.iter().filter(|k| there.contains(k)).cloned().collect();
    type Stratum<'a> = (&'a str, Option<&'a str>);
    let mut strata: BTreeMap<Stratum<'_>, Vec<(String, &SessionKey)>> = BTreeMap::new();
    for r in rows.iter().filter(|r| !sample.contains(&r.key)) {
        let rank = FileEntry::of(digest, r.key.as_str().as_bytes()).sha256;
        let rank = FileEntry::of("", format!("{digest}{rank}").as_bytes()).sha256;
        strata.entry((r.facts.agent.as_str(), r.facts.project.as_deref())).or_default().push((rank, &r.key));
    }
    for members in strata.values_mut() {
        members.sort_by(|a, b| b.cmp(a));
    }
    while sample.len() < want && strata.values().any(|m| !m.is_empty()) {
        for members in strata.values_mut() {
            if sample.len() < want {
                sample.extend(members.pop().map(|(_, k)| k.clone()));
            }
        }
    }
    sample
}
