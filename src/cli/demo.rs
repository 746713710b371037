//! The demo: a bundled, invented history walked from scan to publication, each step judged by what it left behind.
//!
//! The logs hold marks such as `@@GITHUB_TOKEN@@`; secrets of the right shape are made when the demo runs, so that
//! none is in the source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use crate::app::config::ScopeParams;
use crate::app::release::{ConfirmParams, DecisionIn, FindingIn, PrepareParams, PublishParams, ReviewParams};
use crate::app::scan::ScanParams;
use crate::app::sessions::{InboxParams, TriageParams};
use crate::app::{Actor, App, Context, Failure};
use crate::gate::KdfParams;
use crate::trace::{Clock, Env};
use crate::workflow::{FileEntry, digest};

use super::context::CommandError;

/// The logs: where they lie in the temporary home, and their text.
const LOGS: &[(&str, &str)] = &[
    (
        ".claude/projects/-home-nlindqvist-work-harbour-api/5a1d3f60-1c1e-4d6b-9a57-0b7c4d2e9f01.jsonl",
        include_str!("../../assets/demo/claude/harbour-api-tides.jsonl"),
    ),
    (
        ".claude/projects/-home-nlindqvist-work-harbour-api/8c77b0e2-54f3-4a0f-8b11-6d0f3a5c7e02.jsonl",
        include_str!("../../assets/demo/claude/harbour-api-deploy.jsonl"),
    ),
    (
        ".claude/projects/-home-nlindqvist-private-tax-notes/c0ffee00-9d2b-4c3a-a1f0-2b6e8d4f1a03.jsonl",
        include_str!("../../assets/demo/claude/tax-notes.jsonl"),
    ),
    (
        ".codex/sessions/2026/11/19/rollout-2026-11-19T14-00-00-01a1e8f0-3b1c-7d20-9c44-5e6f70819204.jsonl",
        include_str!("../../assets/demo/codex/harbour-web-map.jsonl"),
    ),
    (
        ".codex/sessions/2026/11/19/rollout-2026-11-19T14-30-00-01a1e8f4-77aa-7b31-8d05-1f2e3d4c5b05.jsonl",
        include_str!("../../assets/demo/codex/harbour-web-lint.jsonl"),
    ),
];

/// Who the invented history is of, and who a reader of it would notice.
const PERSON: &str = "Nora Lindqvist";
const COLLEAGUE: &str = "Sunniva Brekke";
const COMPANY: &str = "Harbourline";
const EXCLUDED: &str = "tax-notes";

/// One step and how it came out.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    /// What was done.
    pub name: String,
    /// What was seen.
    pub seen: Vec<String>,
    /// What that proves, if it held.
    pub proves: &'static str,
    /// Whether it held.
    pub held: bool,
}

type Tell<'a> = &'a mut dyn FnMut(Step) -> Result<(), CommandError>;

/// Walks the sample history through the workflow below `root`.
///
/// # Errors
/// [`End`] where a step fails that should not; a step that fails as it should, or does not hold, is told.
pub(super) fn walk(
    root: &Path,
    clock: Arc<dyn Clock>,
    cancel: Arc<AtomicBool>,
    tell: Tell<'_>,
) -> Result<(), CommandError> {
    let (home, state, out) = (root.join("home"), root.join("home/.clawgate"), root.join("published"));
    let secrets = plant(&home)?;
    let mut ctx = Context::new(Env::bare(&home, state), clock, Actor::Person);
    ctx.cancel = cancel;
    let mut app = App::open(ctx)?;
    let publish = |app: &mut App| app.publish(&PublishParams::default(), None);

    let scan = app.scan(&ScanParams::default())?;
    let agents: Vec<String> = scan.by_agent.iter().map(|(a, n)| format!("{a} {n}")).collect();
    tell(Step {
        name: "Scan".into(),
        seen: vec![format!("{} sessions found: {}", scan.sessions.total, agents.join(", "))],
        proves: "the logs of both agents are read, nothing is skipped",
        held: scan.sessions.total == LOGS.len() as u64 && scan.skipped.is_empty(),
    })?;

    let prepare = PrepareParams { folder: Some(out.display().to_string()), ..PrepareParams::default() };
    let early = [app.prepare(&prepare).err(), publish(&mut app).err()];
    tell(refused("Prepare and publish at once", &early, "set_scope", "no step can be skipped"))?;

    let scope = app.set_scope(&ScopeParams {
        exclude: vec![EXCLUDED.into()],
        redact: vec![COMPANY.into()],
        confirm: true,
        ..ScopeParams::default()
    })?;
    tell(Step {
        name: format!("Scope: exclude {EXCLUDED}, always redact the company's name, confirm"),
        seen: scope
            .projects
            .iter()
            .map(|p| {
                format!(
                    "{} ({} sessions): {}",
                    p.name,
                    p.sessions,
                    if p.excluded { "excluded" } else { "in" }
                )
            })
            .collect(),
        proves: "what may be shared at all is a person's choice, made first",
        held: scope.confirmed && scope.projects.iter().filter(|p| p.excluded).count() == 1,
    })?;

    let all = app.inbox(&InboxParams::default())?.sessions;
    let badges = all.iter().filter(|s| s.badges.iter().any(|b| b.starts_with("secrets:"))).count();
    let sessions: Vec<String> = all.iter().map(|s| s.key.0.clone()).collect();
    let marked = app.triage(&TriageParams { sessions, status: "approved".into(), reason: None })?;
    tell(Step {
        name: "Triage: approve all sessions".into(),
        seen: vec![format!("{} approved, {badges} carry a badge for secrets in them", marked.marked.len())],
        proves: "sessions with secrets are seen before anybody reads them",
        held: badges >= 3,
    })?;

    let prepared = app.prepare(&prepare)?;
    let kinds: Vec<String> =
        prepared.privacy_report.redactions.iter().map(|(k, n)| format!("{k} {n}")).collect();
    tell(Step {
        name: "Prepare: redact, seal, fix the digest".into(),
        seen: vec![
            format!("{} rows in {} files, digest {}", prepared.rows, prepared.files.len(), prepared.digest),
            format!("redacted: {}", kinds.join(", ")),
        ],
        proves: "the excluded project is not in it, the secrets are not either",
        held: prepared.rows == 4,
    })?;
    let early = [publish(&mut app).err()];
    tell(refused("Publish what nobody reviewed", &early, "review_pii", "preparing is not enough"))?;

    tell(review(&mut app)?)?;
    let early = [publish(&mut app).err()];
    tell(refused("Publish what nobody confirmed", &early, "confirm", "reading is not enough"))?;

    let confirmed = app.confirm(&ConfirmParams {
        full_name: Some(PERSON.into()),
        attest_full_name: format!("This is a demo: the name searched for is {PERSON}."),
        attest_sensitive: "This is a demo: everything of the inventory is redacted.".into(),
        attest_manual_scan: "This is a demo: every page of the sample was served and answered.".into(),
        ..ConfirmParams::default()
    })?;
    tell(Step {
        name: "Confirm".into(),
        seen: vec![format!(
            "full name {}, {} names decided, {} of {} rows read to their end",
            if confirmed.name_scan == crate::workflow::NameScan::Clean { "not found" } else { "found" },
            confirmed.entities_decided,
            confirmed.sample_read,
            confirmed.rows
        )],
        proves: "each statement is held against what really happened",
        held: confirmed.sample_read == confirmed.rows,
    })?;
    let unsigned = publish(&mut app).err();
    tell(Step {
        name: "Publish without a signature".into(),
        seen: unsigned.iter().map(|f| format!("exit code {}: {}", f.exit_code(), f.message)).collect(),
        proves: "an agent gets this far and no further",
        held: unsigned.is_some_and(|f| f.exit_code() == 4) && !out.exists(),
    })?;

    let passphrase = throw_away()?;
    // Cheap key derivation: this key opens nothing and dies with the temporary home.
    app.keys_init_with(&passphrase, None, KdfParams::cheap())?;
    let shown = app.sign_preview(None)?;
    let (signed, unlocked) = app.sign(&shown, &passphrase)?;
    tell(Step {
        name: "Sign, with a throw-away passphrase made for this demo".into(),
        seen: vec![
            format!("receipt over {} at {}, until {}", signed.digest, signed.assurance, signed.expires),
            "on your own data a person types the passphrase in their own terminal".into(),
        ],
        proves: "the receipt covers exactly the bytes that were reviewed",
        held: signed.digest == shown.digest && signed.digest == confirmed.digest,
    })?;

    tell(tamper(&mut app, &shown.release, &out)?)?;

    let done = app.publish(&PublishParams::default(), Some(&unlocked))?;
    let files = read_back(&out)?;
    let entries: Vec<FileEntry> = files.iter().map(|(path, bytes)| FileEntry::of(path, bytes)).collect();
    let read = digest(&entries);
    tell(Step {
        name: "Publish to a folder, and read it back".into(),
        seen: vec![format!("{} files, digest {read}", files.len())],
        proves: "what arrived is what was signed, byte for byte",
        held: read == done.digest && read == signed.digest,
    })?;

    tell(nothing_leaked(&secrets, &files))?;

    let (log, broken) = app.audit_log()?;
    tell(Step {
        name: "Verify the audit log".into(),
        seen: vec![format!(
            "{} entries, chain {}",
            log.len(),
            if broken.is_none() { "whole" } else { "broken" }
        )],
        proves: "every step above, refusals too, is in a record in which an edit shows",
        held: broken.is_none() && log.iter().any(|e| e.kind == "refused"),
    })
}

/// A step that had to be refused, with the tool that is due.
fn refused(name: &str, failures: &[Option<Failure>], due: &str, proves: &'static str) -> Step {
    let next = |f: &Failure| {
        f.refusal.as_ref().map(|r| (r.code.meaning(), r.next_tool.clone(), r.next_command.clone()))
    };
    Step {
        name: format!("{name}: refused"),
        seen: failures
            .iter()
            .flatten()
            .filter_map(next)
            .map(|(why, _, command)| format!("{why}; next: {command}"))
            .collect(),
        proves,
        held: failures.iter().all(|f| f.as_ref().and_then(next).is_some_and(|(_, tool, _)| tool == due)),
    }
}

/// Reads every page, reports the one name that no rule can know, and has the inventory redacted.
fn review(app: &mut App) -> Result<Step, CommandError> {
    let everything = DecisionIn { id: "all".into(), decision: "redact".into(), ..DecisionIn::default() };
    let mut params = ReviewParams { decisions: vec![everything.clone()], ..ReviewParams::default() };
    let (mut pages, mut found, mut names, mut resealed) = (0, 0, 0, 0);
    let mut bytes = 0;
    loop {
        let report = app.review(&params)?;
        found += report.accepted;
        resealed += report.resealed.unwrap_or(0);
        names = names.max(report.entities.len());
        params = ReviewParams::default();
        if report.remaining.entities > 0 {
            params.decisions.push(everything.clone());
        }
        match report.page {
            Some(page) => {
                pages += 1;
                bytes += page.text.len();
                if page.text.contains(COLLEAGUE) {
                    params.findings.push(FindingIn {
                        quote: COLLEAGUE.into(),
                        kind: "PERSON".into(),
                        ..FindingIn::default()
                    });
                }
                params.nonce = Some(page.nonce);
            }
            None if report.remaining.entities == 0 => break,
            None => {}
        }
        if pages > 500 {
            return Err(Failure::failed("demo", "The review does not end.").into());
        }
    }
    let state = app.position()?.state;
    Ok(Step {
        name: "Review, as a reader would".into(),
        seen: vec![
            format!("{names} in the inventory (a private address), decided: redact"),
            format!("{pages} pages ({bytes} bytes) served and answered, {found} finding: a colleague's name"),
            format!("{resealed} rows sealed again; the others keep their review"),
        ],
        proves: "what was read is known page by page, and a finding is redacted everywhere",
        held: state == "reviewed" && found >= 1 && names >= 1,
    })
}

/// Flips a bit of a sealed file, has publishing refused, and puts it back.
fn tamper(app: &mut App, release: &str, out: &Path) -> Result<Step, CommandError> {
    let file = app.sealed_dir(release).join("README.md");
    let whole = std::fs::read(&file).map_err(io(&file))?;
    let mut bytes = whole.clone();
    if let Some(byte) = bytes.first_mut() {
        *byte ^= 1;
    }
    std::fs::write(&file, &bytes).map_err(io(&file))?;
    let refused = app.publish(&PublishParams::default(), None).err();
    std::fs::write(&file, &whole).map_err(io(&file))?;
    Ok(Step {
        name: "Change one bit of a sealed file after the signature, and publish: refused".into(),
        seen: refused.iter().map(|f| f.message.clone()).collect(),
        proves: "a signature is good for the bytes it was given for, and no others",
        held: refused.is_some_and(|f| f.exit_code() == 3) && !out.exists(),
    })
}

/// Looks for everything planted in everything published.
fn nothing_leaked(secrets: &[(String, String)], files: &[(String, Vec<u8>)]) -> Step {
    let names = [PERSON, COLLEAGUE, COMPANY, "nlindqvist", "harbourline", "fjordteam"].map(str::to_owned);
    let all: Vec<&String> = secrets.iter().map(|(_, value)| value).chain(&names).collect();
    let leaked: BTreeSet<&str> = files
        .iter()
        .filter(|(_, bytes)| {
            let text = String::from_utf8_lossy(bytes);
            all.iter().any(|value| text.contains(value.as_str()))
        })
        .map(|(path, _)| path.as_str())
        .collect();
    let there = files.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("tide table test"));
    Step {
        name: format!(
            "Look for the {} planted secrets and names in the {} published files",
            all.len(),
            files.len()
        ),
        seen: match leaked.is_empty() {
            true => vec!["none of them stands anywhere; the conversations themselves do".into()],
            false => leaked.iter().map(|path| format!("something planted stands in {path}")).collect(),
        },
        proves: "the redaction held over everything that left",
        held: leaked.is_empty() && there,
    }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |e| Failure::failed("io", format!("{}: {e}", path.display()))
}

/// Writes the logs with fresh secrets in them; returns (mark, value).
fn plant(home: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut seed = Seed::new()?;
    let secrets: Vec<(String, String)> = [
        ("GITHUB_TOKEN", format!("ghp{}{}", "_", seed.text(ALNUM, 36))),
        ("DB_PASSWORD", seed.text(ALNUM, 20)),
        ("EMAIL", format!("nora.{}@{}.no", seed.text(LOWER, 8), seed.text(LOWER, 9))),
        ("AWS_KEY_ID", format!("AK{}{}", "IA", seed.text(BASE32, 16))),
        ("AWS_SECRET", seed.text(ALNUM, 40)),
        ("HF_TOKEN", format!("hf{}{}", "_", seed.text(LETTERS, 34))),
        (
            "PHONE",
            format!(
                "+47 {} {} {}",
                seed.text("9", 1) + &seed.text(DIGITS, 2),
                seed.text(DIGITS, 2),
                seed.text(DIGITS, 3)
            ),
        ),
    ]
    .map(|(mark, value)| (mark.to_owned(), value))
    .into();
    for (path, text) in LOGS {
        let path: PathBuf = home.join(path);
        let text =
            secrets.iter().fold((*text).to_owned(), |t, (mark, v)| t.replace(&format!("@@{mark}@@"), v));
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(io(dir))?;
        }
        std::fs::write(&path, text).map_err(io(&path))?;
    }
    Ok(secrets)
}

/// Every file below a folder, by its path there.
fn read_back(dir: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(dir).sort_by_file_name() {
        let entry = entry.map_err(|e| Failure::failed("io", e.to_string()))?;
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(dir).unwrap_or(entry.path());
            let parts: Vec<String> = path.iter().map(|p| p.to_string_lossy().into_owned()).collect();
            files.push((parts.join("/"), std::fs::read(entry.path()).map_err(io(entry.path()))?));
        }
    }
    Ok(files)
}

const DIGITS: &str = "0123456789";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ALNUM: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Random text of a given alphabet.
struct Seed([u8; 256], usize);

impl Seed {
    fn new() -> Result<Self, Failure> {
        let mut bytes = [0; 256];
        getrandom::fill(&mut bytes).map_err(|e| Failure::failed("random", format!("No randomness: {e}")))?;
        Ok(Seed(bytes, 0))
    }

    fn text(&mut self, alphabet: &str, n: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..n)
            .map(|_| {
                self.1 = (self.1 + 1) % self.0.len();
                letters[usize::from(self.0[self.1]) % letters.len()]
            })
            .collect()
    }
}

fn throw_away() -> Result<String, Failure> {
    Ok(Seed::new()?.text(ALNUM, 24))
}
