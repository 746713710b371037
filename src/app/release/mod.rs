//! A release between the archive and the state machine: loading, stepping, and noticing what changed.

pub(crate) mod build;
pub(crate) mod confirm;
pub(crate) mod name_scan;
pub(crate) mod prepare;
pub(crate) mod privacy;
pub(crate) mod publish;
pub(crate) mod review;
pub(crate) mod sign;

pub use confirm::{ConfirmParams, ConfirmReport};
pub use prepare::{EntityCounts, PrepareParams, PrepareReport, PrivacyReport};
pub use privacy::{DecisionLine, Party, PrivacySheet, ReportedLine, SessionLine};
pub use publish::{PublishParams, PublishReport};
pub use review::{
    Budget, DecisionIn, EntityItem, EvidenceReport, FindingIn, Inventory, Page, PiiApplied, PiiDocument,
    PiiFinding, PiiPage, PiiRefused, PiiReviewParams, RUBRIC, ReaderReport, Remaining, ReportedItem,
    ReviewParams, ReviewReport, Undone,
};
pub use sign::{KeysReport, Preview, SampleRow, SignPreview, SignReport};

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::export::RowFacts;
use crate::gate::{ClearedFile, read_sealed};
use crate::rules::Engine;
use crate::store::Mark;
use crate::trace::{SessionKey, Timestamp, Version};
use crate::workflow::{
    ArchiveFacts, AuditBreak, AuditDraft, AuditEntry, Destination, Effect, Event, Evidence, NextStep, Phase,
    Refusal, RefusalCode, Release, Target, append, next_step, step, verify,
};

use crate::app::config::{ExportConfig, write_private};
use crate::app::failure::io_failure;
use crate::app::release::review::sealed_changed;
use crate::app::{App, Failure};

/// What the application keeps beside the state machine's state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Extra {
    /// Sessions the person named; empty means every approved one in scope.
    pub named: Vec<SessionKey>,
    /// Destination given for this release; the configuration's holds otherwise.
    pub destination: Option<Destination>,
    /// Options given for this release; the configuration's hold otherwise.
    pub export: Option<ExportConfig>,
    /// Rows of the last preparation.
    pub rows: Vec<RowKeep>,
    /// Report of the last preparation.
    pub report: Option<PrivacyReport>,
    /// The sample, in reading order; kept over preparations as far as its sessions stay.
    pub sample: Vec<SessionKey>,
    /// People and organisations that appear across its sessions.
    pub parties: Vec<Party>,
    /// The round of reading: the next begins when an agent overlooked too much.
    pub round: u64,
}

/// Where a row stands, and what it adds to the figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RowKeep {
    pub key: SessionKey,
    pub sha256: String,
    pub file: String,
    pub offset: u64,
    pub bytes: u64,
    pub facts: RowFacts,
    pub redactions: BTreeMap<String, u64>,
    /// A masked example of each kind.
    #[serde(default)]
    pub examples: BTreeMap<String, String>,
}

/// What of a release must never be published, nor shown: kept apart from the sealed files.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Private {
    /// The release's pseudonym key, hex.
    pub key: String,
    /// Values a reviewer reported: (kind, value).
    pub reported: BTreeSet<(String, String)>,
    /// The same with who reported them, when and how sure.
    pub notes: Vec<NoteKeep>,
    /// The inventory: what a person has to decide on.
    pub entities: Vec<EntityKeep>,
}

/// A value that a reviewer reported.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NoteKeep {
    pub kind: String,
    pub value: String,
    /// `person`, `agent`, or the source an imported finding names.
    pub by: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One thing of the inventory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EntityKeep {
    pub id: String,
    pub kind: String,
    pub value: String,
    pub count: u64,
    /// Sessions it stands in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sessions: BTreeSet<SessionKey>,
}

/// What to do next, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// MCP tool.
    pub tool: String,
    /// Command line.
    pub command: String,
}

/// Where the user stands: goes with every answer.
#[derive(Debug, Clone, Serialize)]
pub struct Position {
    /// `no_scan`, `no_scope`, `triage`, or the phase of the current release.
    pub state: String,
    /// The current release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// What to do next.
    pub next: Next,
    /// What only a person can do, where that is next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_action: Option<String>,
}

/// A release being worked on.
pub(crate) struct Open {
    pub release: Release,
    pub extra: Extra,
    /// The state as it stands in the archive; nothing for a new release.
    pub stored: Option<String>,
}

impl App {
    /// Appends to the audit log.
    pub(crate) fn audit(&mut self, kind: &str, release: Option<&str>, detail: Value) -> Result<(), Failure> {
        let draft = AuditDraft {
            at: self.now(),
            actor: self.ctx.actor.as_str().to_owned(),
            kind: kind.to_owned(),
            release: release.map(str::to_owned),
            detail,
        };
        self.archive.audit_append(|last: Option<&AuditEntry>| append(last, draft))?;
        Ok(())
    }

    /// The audit log, and where its chain breaks if it does.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses.
    pub fn audit_log(&self) -> Result<(Vec<AuditEntry>, Option<AuditBreak>), Failure> {
        let entries: Vec<AuditEntry> = self.archive.audit()?;
        let broken = verify(&entries).err();
        Ok((entries, broken))
    }

    /// The two facts of the archive.
    pub(crate) fn facts(&self) -> Result<ArchiveFacts, Failure> {
        Ok(ArchiveFacts {
            scanned: self.archive.meta("last_scan")?.is_some(),
            scope_confirmed: self.scope_confirmed()?,
        })
    }

    /// The refusal of a step that needs a scan or a scope first.
    pub(crate) fn refuse_early(&self, _what: &str) -> Result<Failure, Failure> {
        Ok(Refusal::without_release(&self.facts()?, Phase::Draft).into())
    }

    /// Where the user stands.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses.
    pub fn position(&mut self) -> Result<Position, Failure> {
        let facts = self.facts()?;
        if let Some(open) = self.current(None)? {
            let next = next_step(&open.release);
            return Ok(Position {
                state: open.release.phase.name().to_owned(),
                release: Some(open.release.id),
                next: Next { tool: next.tool, command: next.command },
                human_action: next.human_action,
            });
        }
        let (state, next) = if !facts.scanned {
            ("no_scan", facts.next_step())
        } else if !facts.scope_confirmed {
            ("no_scope", facts.next_step())
        } else if self.any_approved()? {
            ("triage", prepare_next())
        } else {
            ("triage", facts.next_step())
        };
        Ok(Position {
            state: state.to_owned(),
            release: None,
            next: Next { tool: next.tool, command: next.command },
            human_action: next.human_action,
        })
    }

    /// The named release, or the one last worked on that is neither published nor withdrawn; brought up to date
    /// with what changed around it.
    pub(crate) fn current(&mut self, name: Option<&str>) -> Result<Option<Open>, Failure> {
        let id = match name {
            Some(name) => name.to_owned(),
            None => {
                let all = self.archive.releases()?;
                let open = all.into_iter().find(|(_, phase, _)| phase != "published" && phase != "withdrawn");
                match open {
                    Some((id, _, _)) => id,
                    None => return Ok(None),
                }
            }
        };
        let Some(row) = self.archive.release::<Release, Extra>(&id)? else {
            let known: Vec<String> = self.archive.releases()?.into_iter().take(5).map(|r| r.0).collect();
            let mut f = Failure::usage("no_such_release", "No release has this id.");
            if !known.is_empty() {
                f = f.hint(format!("known releases: {}", known.join(", ")));
            }
            return Err(f.hint("clawgate status"));
        };
        let mut open = Open { release: row.state, extra: row.extra, stored: Some(row.stored) };
        self.refresh(&mut open)?;
        Ok(Some(open))
    }

    /// The release to work on, or the refusal that says what comes first.
    pub(crate) fn required(&mut self, name: Option<&str>, phase: Phase) -> Result<Open, Failure> {
        match self.current(name)? {
            Some(open) => Ok(open),
            None => {
                let mut refusal = Refusal::without_release(&self.facts()?, phase);
                if refusal.code == RefusalCode::NothingChosen && self.any_approved()? {
                    let next = prepare_next();
                    refusal.code = RefusalCode::NotPrepared;
                    refusal.missing = vec!["a prepared release".to_owned()];
                    (refusal.next_tool, refusal.next_command) = (next.tool, next.command);
                }
                Err(refusal.into())
            }
        }
    }

    /// Whether an approved session waits that the last published release does not hold already.
    fn any_approved(&self) -> Result<bool, Failure> {
        let approved = self.archive.marked(Mark::Approved)?;
        let published = self.archive.releases()?.into_iter().find(|(_, phase, _)| phase == "published");
        let Some((id, _, _)) = published.filter(|_| !approved.is_empty()) else {
            return Ok(!approved.is_empty());
        };
        let row = self.archive.release::<Release, Extra>(&id)?;
        let done = row.map(|r| r.state.rows).unwrap_or_default();
        Ok(approved.iter().any(|key| !done.contains_key(key)))
    }

    /// Tells the state machine what happened, carries its effects out, and keeps the new state.
    pub(crate) fn step(&mut self, open: &mut Open, event: &Event) -> Result<Vec<Effect>, Failure> {
        let (release, effects) = match step(&open.release, event) {
            Ok(done) => done,
            Err(refusal) => {
                let detail = json!({ "code": refusal.code, "state": refusal.state });
                self.audit("refused", Some(&open.release.id), detail)?;
                return Err(refusal.into());
            }
        };
        if release == open.release && effects.is_empty() {
            return Ok(effects);
        }
        open.release = release;
        self.save(open)?;
        let now = self.now();
        let id = open.release.id.clone();
        for effect in &effects {
            match effect {
                Effect::Audit { kind, detail } => self.audit(kind, Some(&id), detail.clone())?,
                Effect::VoidReceipt { nonce } | Effect::SpendNonce { nonce } => {
                    self.archive.use_nonce(nonce, &id, now)?;
                }
                _ => {}
            }
        }
        Ok(effects)
    }

    /// Keeps a release, unless another process changed it since it was loaded.
    pub(crate) fn save(&self, open: &mut Open) -> Result<(), Failure> {
        let r = &open.release;
        let before = open.stored.as_deref();
        let put = self.archive.put_release(&r.id, r.phase.name(), before, (r, &open.extra), self.now())?;
        let Some(stored) = put else {
            return Err(Failure::failed(
                "changed_meanwhile",
                "Another clawgate changed this release at the same time.",
            )
            .hint("run the same command again"));
        };
        open.stored = Some(stored);
        Ok(())
    }

    /// Tells the state machine what changed since it last looked.
    fn refresh(&mut self, open: &mut Open) -> Result<(), Failure> {
        if matches!(open.release.phase, Phase::Published | Phase::Withdrawn) {
            return Ok(());
        }
        let mut events = vec![Event::Tick { now: self.now() }];
        let facts = self.facts()?;
        if facts.scanned && !open.release.archive.scanned {
            events.push(Event::ScanDone);
        }
        if facts.scope_confirmed != open.release.archive.scope_confirmed {
            events.push(match facts.scope_confirmed {
                true => Event::ScopeConfirmed,
                false => Event::ScopeChanged { outside: self.outside(&open.release)? },
            });
        }
        if !open.release.chosen.is_empty() {
            let standing: BTreeMap<SessionKey, Version> = self.archive.versions()?.into_iter().collect();
            for (key, version) in &open.release.chosen {
                let now = standing.get(key);
                if now != Some(version) {
                    events.push(Event::SessionChanged { key: key.clone(), version: now.cloned() });
                }
            }
        }
        let destination = self.destination(&open.extra)?;
        if destination.is_some() && destination != open.release.destination {
            events.extend(destination.map(|destination| Event::DestinationChanged { destination }));
        }
        if open.release.sealed.is_some() {
            let id = &open.release.id;
            let policy = self.policy_hash(id, &open.extra, &self.private(id)?)?;
            if open.release.policy.as_deref() != Some(policy.as_str()) {
                events.push(Event::PolicyChanged { policy });
            }
        }
        if open.release.phase >= Phase::Reviewed {
            // What was read and answered is added up anew: nothing that was said over other evidence holds.
            let evidence = self.evidence(open)?;
            if evidence.root != open.release.review_root() {
                let measured = open.release.evidence.as_ref().and_then(|e| e.measured);
                events.push(Event::EvidenceNoted { evidence: Evidence { measured, ..evidence } });
            }
        }
        for event in events {
            self.step(open, &event)?;
        }
        // A session that was blocked after it was chosen leaves the release.
        let mut kept = open.release.chosen.clone();
        for key in open.release.chosen.keys() {
            if self.archive.session(key.as_str())?.is_some_and(|s| s.status == Mark::Blocked) {
                kept.remove(key);
            }
        }
        if kept.len() < open.release.chosen.len() && open.release.in_flight.is_none() {
            self.step(open, &Event::SessionsChosen { sessions: kept })?;
        }
        Ok(())
    }

    fn outside(&self, release: &Release) -> Result<Vec<SessionKey>, Failure> {
        let mut out = Vec::new();
        for key in release.chosen.keys() {
            if !self.in_scope(key)? {
                out.push(key.clone());
            }
        }
        Ok(out)
    }

    /// Whether a session's agent and project are in scope.
    pub(crate) fn in_scope(&self, key: &SessionKey) -> Result<bool, Failure> {
        Ok(self.archive.session(key.as_str())?.is_some_and(|s| {
            let (name, path) = (s.project.unwrap_or_default(), s.project_path.unwrap_or_default());
            self.agent_in_scope(&s.agent) && !self.excludes(&name, &path)
        }))
    }

    /// The destination that holds for a release: its own, else the configuration's.
    pub(crate) fn destination(&self, extra: &Extra) -> Result<Option<Destination>, Failure> {
        if let Some(d) = &extra.destination {
            return Ok(Some(d.clone()));
        }
        let p = &self.config.publish;
        let target = match (&p.repo, &p.folder) {
            (Some(repo), _) => hub_target(repo)?,
            (None, Some(path)) => Target::Folder { path: path.clone() },
            (None, None) => return Ok(None),
        };
        Ok(Some(Destination { target, visibility: p.visibility, licence: p.licence.clone() }))
    }

    /// The options that hold for a release.
    pub(crate) fn export_options(&self, extra: &Extra) -> ExportConfig {
        extra.export.clone().unwrap_or_else(|| self.config.export.clone())
    }

    /// Hash of everything that decides what the rows look like.
    pub(crate) fn policy_hash(&self, id: &str, extra: &Extra, private: &Private) -> Result<String, Failure> {
        use sha2::{Digest, Sha256};
        let export = self.export_options(extra);
        let policy = self.policy_for(&export)?.hash(Engine::builtin()?.version());
        let mut hash = Sha256::new();
        hash.update(policy);
        hash.update(serde_json::to_vec(&(&export, &private.reported)).unwrap_or_default());
        let decisions = self.redact_decisions(id)?;
        let decided: BTreeSet<&str> =
            private.entities.iter().map(|e| e.id.as_str()).filter(|id| decisions.contains(*id)).collect();
        hash.update(serde_json::to_vec(&decided).unwrap_or_default());
        Ok(data_encoding::HEXLOWER.encode(&hash.finalize()))
    }

    /// Keyed hashes of the values a person decided to keep in clear in a release.
    pub(crate) fn kept_values(&self, id: &str) -> Result<Vec<String>, Failure> {
        Ok(self.decided(id)?.into_iter().filter(|(_, d)| d == "keep").map(|(value, _)| value).collect())
    }

    /// Keyed hashes of the inventory values that were decided to be redacted.
    pub(crate) fn redact_decisions(&self, id: &str) -> Result<BTreeSet<String>, Failure> {
        Ok(self.decided(id)?.into_iter().filter(|(_, d)| d == "redact").map(|(value, _)| value).collect())
    }

    /// The sampled rows with their sealed text, in the sample's order, read from the sealed files and checked.
    pub(crate) fn sealed_rows(&self, open: &Open) -> Result<Vec<(RowKeep, String)>, Failure> {
        let mut out = self.sealed_rows_of(open, &|key| open.extra.sample.contains(key))?;
        out.sort_by_key(|(row, _)| open.extra.sample.iter().position(|k| *k == row.key));
        Ok(out)
    }

    /// The rows of these sessions with their sealed text, read from the sealed files and checked.
    pub(crate) fn sealed_rows_of(
        &self,
        open: &Open,
        wanted: &dyn Fn(&SessionKey) -> bool,
    ) -> Result<Vec<(RowKeep, String)>, Failure> {
        use sha2::{Digest, Sha256};
        let dir = self.sealed_dir(&open.release.id);
        let mut out = Vec::new();
        let mut held: Option<(String, Vec<u8>)> = None;
        for row in open.extra.rows.iter().filter(|r| wanted(&r.key)) {
            if held.as_ref().is_none_or(|(file, _)| *file != row.file) {
                let path = dir.join(&row.file);
                let bytes = std::fs::read(&path).map_err(|_| sealed_changed(&open.release.id))?;
                held = Some((row.file.clone(), bytes));
            }
            let bytes = held.as_ref().map_or(&[][..], |(_, b)| b);
            let range = row.offset as usize..(row.offset + row.bytes) as usize;
            let text = bytes.get(range).and_then(|b| std::str::from_utf8(b).ok()).map(str::to_owned);
            let text = text.filter(|t| data_encoding::HEXLOWER.encode(&Sha256::digest(t)) == row.sha256);
            out.push((row.clone(), text.ok_or_else(|| sealed_changed(&open.release.id))?));
        }
        Ok(out)
    }

    /// The key under which this machine's values are hashed; made once.
    pub(crate) fn local_key(&self) -> Result<[u8; 32], Failure> {
        let fresh = data_encoding::HEXLOWER.encode(&random()?);
        let key = self.archive.meta_or_insert("local_key", &fresh)?;
        key_of(&key)
    }

    /// The sealed files, byte for byte as they were sealed.
    pub(crate) fn sealed_files(&self, open: &Open) -> Result<Vec<ClearedFile>, Failure> {
        let Some(sealed) = &open.release.sealed else { return Ok(Vec::new()) };
        read_sealed(&self.sealed_dir(&open.release.id), &sealed.files)
            .map_err(|e| sealed_changed(&open.release.id).hint(e.to_string()))
    }

    /// Where a release's sealed files stand.
    pub(crate) fn sealed_dir(&self, id: &str) -> PathBuf {
        self.dir().join("releases").join(id)
    }

    fn private_path(&self, id: &str) -> PathBuf {
        self.dir().join("private").join(format!("{id}.json"))
    }

    /// Removes what a finished release remembers in clear.
    pub(crate) fn drop_private(&self, id: &str) -> Result<(), Failure> {
        let path = self.private_path(id);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io_failure("cannot remove", &path, &e)),
            _ => Ok(()),
        }
    }

    pub(crate) fn private(&self, id: &str) -> Result<Private, Failure> {
        let path = self.private_path(id);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|_| Failure::failed("private", format!("{} cannot be read back.", path.display()))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Ok(Private { key: data_encoding::HEXLOWER.encode(&random()?), ..Private::default() })
            }
            Err(e) => Err(io_failure("cannot read", &path, &e)),
        }
    }

    pub(crate) fn save_private(&self, id: &str, private: &Private) -> Result<(), Failure> {
        let path = self.private_path(id);
        let dir = self.dir().join("private");
        crate::store::private_dir(&dir).map_err(|e| io_failure("cannot make", &dir, &e))?;
        write_private(&path, &serde_json::to_vec(private).unwrap_or_default())
    }
}

/// What is due once sessions are approved and no release is open.
fn prepare_next() -> NextStep {
    NextStep {
        tool: "prepare_release".to_owned(),
        command: "clawgate prepare".to_owned(),
        human_action: None,
    }
}

/// A repository name as a target, or why it is none.
pub(crate) fn hub_target(repo: &str) -> Result<Target, Failure> {
    let good = |p: &str| {
        !p.is_empty() && p.len() <= 96 && p.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    match repo.split_once('/') {
        Some((owner, name)) if good(owner) && good(name) && !name.contains('/') => {
            Ok(Target::Hub { repo: repo.to_owned(), revision: "main".to_owned() })
        }
        _ => Err(Failure::usage(
            "bad_repo",
            "A repository is named owner/name, for instance alice/my-agent-traces.",
        )),
    }
}

pub(crate) fn key_of(hex: &str) -> Result<[u8; 32], Failure> {
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap_or_default();
    bytes.try_into().map_err(|_| Failure::failed("key", "A stored key cannot be read back."))
}

pub(crate) fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| Failure::failed("random", format!("No randomness: {e}")))?;
    Ok(bytes)
}

/// A new release's id: the day, and what makes it unique.
pub(crate) fn new_id(now: Timestamp) -> Result<String, Failure> {
    let tail = data_encoding::BASE32_NOPAD.encode(&random()?[..5]).to_lowercase();
    Ok(format!("r{}-{tail}", now.to_jiff().strftime("%Y%m%d")))
}
