//! The demo: runs the whole workflow on bundled sample logs and checks the result of every step.
//!
//! The sample logs contain placeholders such as `@@GITHUB_TOKEN@@`. The demo replaces them with random secrets of the
//! right format, so that no secret is in the source code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use crate::app::audit::AuditLog;
use crate::app::redaction::Reader;
use crate::app::release::{ConfirmParams, DecisionIn, FindingIn, PrepareParams, PublishParams, ReviewParams};
use crate::app::scan::ScanParams;
use crate::app::sessions::ScopeParams;
use crate::app::sessions::{InboxParams, Mark, TriageParams};
use crate::app::{Actor, App, Context, Failure};
use crate::gate::{KdfParams, PROVENANCE_FILE};
use crate::trace::{Clock, Env};
use crate::workflow::{FileEntry, digest};

use super::context::CommandError;
use super::format::pluralize;
use super::time_args::Times;

/// The sample logs: path in the temporary home directory, and text.
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

/// Names in the sample logs that the demo expects to be redacted or excluded.
const PERSON: &str = "Nora Lindqvist";
const COLLEAGUE: &str = "Sunniva Brekke";
const COMPANY: &str = "Harbourline";
const EXCLUDED: &str = "tax-notes";

/// A step of the demo and the result of its check.
#[derive(Debug, Serialize)]
pub(super) struct DemoStep {
    pub name: String,
    /// What the step printed.
    pub seen: Vec<String>,
    /// What the check shows if it passes.
    pub proves: &'static str,
    /// Whether the check passed.
    pub held: bool,
}

/// The review of the sample logs has far fewer pages.
const MAX_PAGES: usize = 500;

type OnStep<'a> = &'a mut dyn FnMut(DemoStep) -> Result<(), CommandError>;

/// Runs the workflow in the directory `root` and reports each step to `on_step`.
///
/// # Errors
/// Returns a [`CommandError`] if a step fails unexpectedly. An expected refusal and a failed check are not errors: the
/// step says whether its check passed.
pub(super) fn run_workflow(
    root: &Path,
    env: &Env,
    clock: Arc<dyn Clock>,
    cancel: Arc<AtomicBool>,
    on_step: OnStep<'_>,
) -> Result<(), CommandError> {
    let (home, state, out) = (root.join("home"), root.join("home/.clawgate"), root.join("published"));
    let secrets = write_logs(&home)?;
    let mut demo_env = Env::bare(&home, state);
    demo_env.vars.extend(env.var("TZ").map(|zone| ("TZ".to_owned(), zone.to_owned())));
    let mut ctx = Context::new(demo_env, clock, Actor::Person);
    ctx.cancel = cancel;
    let mut app = App::open(ctx)?;
    let publish = |app: &mut App| app.publish(&PublishParams::default());

    let scan = app.scan(&ScanParams::default())?;
    let agents: Vec<String> = scan.by_agent.iter().map(|(a, n)| format!("{a} {n}")).collect();
    on_step(DemoStep {
        name: "Scan".into(),
        seen: vec![format!("found {}: {}", pluralize(scan.sessions.total, "session"), agents.join(", "))],
        proves: "The logs of both agents are read, and no file is skipped.",
        held: scan.sessions.total == LOGS.len() as u64 && scan.skipped.is_empty(),
    })?;

    let prepare = PrepareParams { folder: Some(out.display().to_string()), ..PrepareParams::default() };
    let early = [app.prepare(&prepare).err(), publish(&mut app).err()];
    on_step(refused("Prepare and publish immediately", &early, "set_scope", "No step can be skipped."))?;

    let scope = app.set_scope(&ScopeParams {
        exclude: vec![EXCLUDED.into()],
        redact: vec![COMPANY.into()],
        confirm: true,
        ..ScopeParams::default()
    })?;
    on_step(DemoStep {
        name: format!("Scope: exclude {EXCLUDED}, always redact the company name, confirm"),
        seen: scope
            .projects
            .iter()
            .map(|p| {
                format!(
                    "{} ({}): {}",
                    p.name,
                    pluralize(p.sessions, "session"),
                    if p.excluded { "excluded" } else { "included" }
                )
            })
            .collect(),
        proves: "A person first chooses what may be shared.",
        held: scope.confirmed && scope.projects.iter().filter(|p| p.excluded).count() == 1,
    })?;

    let all = app.inbox(&InboxParams { reader: Reader::Person, ..InboxParams::default() })?.sessions;
    let badges = all.iter().filter(|s| s.badges.iter().any(|b| b.starts_with("secrets:"))).count();
    let sessions: Vec<String> = all.iter().map(|s| s.key.0.clone()).collect();
    let marked = app.triage(&TriageParams::named(sessions, Mark::Approved))?;
    on_step(DemoStep {
        name: "Triage: approve all sessions".into(),
        seen: vec![format!("{} approved, {badges} with a badge for secrets", marked.marked.len())],
        proves: "Sessions with secrets are marked before anybody reads them.",
        held: badges >= 3,
    })?;

    let prepared = app.prepare(&prepare)?;
    let kinds: Vec<String> =
        prepared.privacy_report.redactions.iter().map(|(k, n)| format!("{k} {n}")).collect();
    on_step(DemoStep {
        name: "Prepare: redact, seal, compute the digest".into(),
        seen: vec![
            format!(
                "{} in {}, digest {}",
                pluralize(prepared.rows, "row"),
                pluralize(prepared.files.len() as u64, "file"),
                prepared.digest
            ),
            format!("redacted: {}", kinds.join(", ")),
        ],
        proves: "The release contains neither the excluded project nor the secrets.",
        held: prepared.rows == 4,
    })?;
    let early = [publish(&mut app).err()];
    on_step(refused(
        "Publish without a review",
        &early,
        "review_pii",
        "A prepared release must be reviewed.",
    ))?;

    on_step(review(&mut app)?)?;
    let early = [publish(&mut app).err()];
    on_step(refused(
        "Publish without a confirmation",
        &early,
        "confirm",
        "A reviewed release must be confirmed.",
    ))?;

    let confirmed = app.confirm(&ConfirmParams {
        full_name: Some(PERSON.into()),
        attest_full_name: format!("This is a demo: the name searched for is {PERSON}."),
        attest_sensitive: "This is a demo: every inventory item is redacted.".into(),
        attest_manual_scan: "This is a demo: every page of the sample was served and answered.".into(),
        ..ConfirmParams::default()
    })?;
    on_step(DemoStep {
        name: "Confirm".into(),
        seen: vec![format!(
            "full name {}, {} decided, {}",
            if confirmed.name_scan == crate::workflow::NameScan::Clean { "not found" } else { "found" },
            pluralize(confirmed.entities_decided, "inventory item"),
            confirmed.coverage
        )],
        proves: "Each statement is checked against the recorded evidence.",
        held: confirmed.sample_read == confirmed.rows,
    })?;
    let unsigned = publish(&mut app).err();
    on_step(DemoStep {
        name: "Publish without a signature".into(),
        seen: unsigned.iter().map(|f| format!("exit code {}: {}", f.exit_code(), f.message)).collect(),
        proves: "An agent cannot go beyond this point.",
        held: unsigned.is_some_and(|f| f.exit_code() == 4) && !out.exists(),
    })?;

    let passphrase = random_passphrase()?;
    // Cheap key derivation is safe here, because the key protects nothing and is deleted with the temporary directory.
    app.keys_init_with(&passphrase, None, KdfParams::cheap())?;
    let shown = app.sign_preview(None)?;
    let signed = app.sign(&shown, &passphrase)?.report;
    let times = Times::new(app.zone(None)?);
    on_step(DemoStep {
        name: "Sign with a random passphrase that exists only for this demo".into(),
        seen: vec![
            format!(
                "receipt for {} at level {}, valid until {}",
                signed.digest,
                signed.assurance,
                times.minute_with_zone(signed.expires)
            ),
            "with real data, a person types the passphrase in a terminal".into(),
        ],
        proves: "The receipt covers exactly the files that were reviewed.",
        held: signed.digest == shown.digest() && signed.digest == confirmed.digest,
    })?;

    on_step(tamper(&mut app, shown.release(), &out)?)?;

    let done = app.publish(&PublishParams::default())?;
    let files = read_back(&out)?;
    // The provenance statement contains the digest, so the digest does not cover it.
    let signed_files = files.iter().filter(|(path, _)| path.as_str() != PROVENANCE_FILE);
    let entries: Vec<FileEntry> = signed_files.map(|(path, bytes)| FileEntry::of(path, bytes)).collect();
    let read = digest(&entries);
    let verified =
        app.verify_dataset(&out.display().to_string(), std::slice::from_ref(&signed.fingerprint))?;
    on_step(DemoStep {
        name: "Publish to a folder and read it back".into(),
        seen: vec![format!("{}, digest {read}", pluralize(files.len() as u64, "file"))],
        proves: "The published files are identical to the signed files.",
        held: read == done.digest && read == signed.digest && verified.valid,
    })?;

    on_step(check_leaks(&secrets, &files))?;

    let AuditLog { entries: log, broken, .. } = app.audit_log()?;
    on_step(DemoStep {
        name: "Verify the audit log".into(),
        seen: vec![format!(
            "{}, chain {}",
            pluralize(log.len() as u64, "entry"),
            if broken.is_none() { "intact" } else { "broken" }
        )],
        proves: "Every step above, including refusals, is in the tamper-evident audit log.",
        held: broken.is_none() && log.iter().any(|e| e.kind == "refused"),
    })
}

/// Returns the step for actions that must be refused with `due` as the next tool.
fn refused(name: &str, failures: &[Option<Failure>], due: &str, proves: &'static str) -> DemoStep {
    let next = |f: &Failure| {
        f.refusal.as_ref().map(|r| (r.code.meaning(), r.next_tool.clone(), r.next_command.clone()))
    };
    DemoStep {
        name: format!("{name}: refused"),
        // Several actions can be refused for the same reason.
        seen: failures
            .iter()
            .flatten()
            .filter_map(next)
            .map(|(reason, _, command)| format!("{reason}; next: {command}"))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        proves,
        held: failures.iter().all(|f| f.as_ref().and_then(next).is_some_and(|(_, tool, _)| tool == due)),
    }
}

/// Answers every page, reports the one name that no rule can detect, and redacts the whole inventory.
fn review(app: &mut App) -> Result<DemoStep, CommandError> {
    let everything = DecisionIn { id: "all".into(), ..DecisionIn::default() };
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
        if pages > MAX_PAGES {
            return Err(Failure::failed("demo", "The review did not finish.").into());
        }
    }
    let state = app.workflow_status()?.state.as_str();
    Ok(DemoStep {
        name: "Review".into(),
        seen: vec![
            format!("{}, for example a private address: redacted", pluralize(names as u64, "inventory item")),
            format!(
                "{} ({}) read, {}: the name of a colleague",
                pluralize(pages as u64, "page"),
                pluralize(bytes as u64, "byte"),
                pluralize(found, "finding")
            ),
            format!("resealed {}; the review of the other rows stays valid", pluralize(resealed, "row")),
        ],
        proves: "The review is recorded page by page, and a finding is redacted everywhere.",
        held: state == "reviewed" && found >= 1 && names >= 1,
    })
}

/// Flips a bit in a sealed file, expects publishing to be refused, and restores the file.
fn tamper(app: &mut App, release: &str, out: &Path) -> Result<DemoStep, CommandError> {
    let file = app.sealed_dir(release).join("README.md");
    let whole = std::fs::read(&file).map_err(io(&file))?;
    let mut bytes = whole.clone();
    if let Some(byte) = bytes.first_mut() {
        *byte ^= 1;
    }
    std::fs::write(&file, &bytes).map_err(io(&file))?;
    let refused = app.publish(&PublishParams::default()).err();
    std::fs::write(&file, &whole).map_err(io(&file))?;
    Ok(DemoStep {
        name: "Change one bit of a sealed file after signing, and publish: refused".into(),
        seen: refused.iter().map(|f| f.message.clone()).collect(),
        proves: "A signature is valid only for the exact files that were signed.",
        held: refused.is_some_and(|f| f.exit_code() == 3) && !out.exists(),
    })
}

/// Searches the published files for all secrets and names of the sample logs.
fn check_leaks(secrets: &[(String, String)], files: &[(String, Vec<u8>)]) -> DemoStep {
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
    DemoStep {
        name: format!(
            "Search for the {} secrets and names of the sample logs in the {} published files",
            all.len(),
            files.len()
        ),
        seen: match leaked.is_empty() {
            true => vec!["none found; the conversations are present".into()],
            false => leaked.iter().map(|path| format!("found in {path}")).collect(),
        },
        proves: "Every secret and name was redacted in the published files.",
        held: leaked.is_empty() && there,
    }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |e| Failure::failed("io", format!("{}: {e}", path.display()))
}

/// Writes the sample logs with random secrets. Returns the pairs (placeholder, secret).
fn write_logs(home: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut random = RandomText::new()?;
    let secrets: Vec<(String, String)> = [
        ("GITHUB_TOKEN", format!("ghp{}{}", "_", random.text(ALNUM, 36))),
        ("DB_PASSWORD", random.text(ALNUM, 20)),
        ("EMAIL", format!("nora.{}@{}.no", random.text(LOWER, 8), random.text(LOWER, 9))),
        ("AWS_KEY_ID", format!("AK{}{}", "IA", random.text(BASE32, 16))),
        ("AWS_SECRET", random.text(ALNUM, 40)),
        ("HF_TOKEN", format!("hf{}{}", "_", random.text(LETTERS, 34))),
        (
            "PHONE",
            format!(
                "+47 {} {} {}",
                random.text("9", 1) + &random.text(DIGITS, 2),
                random.text(DIGITS, 2),
                random.text(DIGITS, 3)
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

/// Reads every file in a directory. Returns pairs (relative path, content).
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

/// A source of random text.
struct RandomText([u8; 256], usize);

impl RandomText {
    fn new() -> Result<Self, Failure> {
        Ok(RandomText(crate::app::random::random_bytes()?, 0))
    }

    /// Returns `n` random characters of `alphabet`.
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

fn random_passphrase() -> Result<String, Failure> {
    Ok(RandomText::new()?.text(ALNUM, 24))
}
