//! Several actors sign, cosign, publish, revoke and change one release, in random order and with what they loaded earlier. Every
//! refusal names a step, and whoever takes the named steps publishes the release.

use std::fs;
use std::path::{Path, PathBuf};

use clawgate::app::release::{Approval, EnrolledKey, PrepareParams, PublishParams, ToCosign};
use clawgate::app::{Actor, App, Failure};
use clawgate::workflow::Phase;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::second_approval::{SECOND_WORDS, Two, policy};
use crate::world::{PASSPHRASE, confirm, copy_tree, ok, review_to_end};

/// Events of one sequence.
const EVENTS: usize = 200;
/// Steps after which a refusal must have led to a publication.
const MAX_STEPS: usize = 14;
/// A refusal that was followed this often is not followed again, because a walk takes a second.
const MAX_WALKS: u32 = 2;
/// Kinds of events.
const KINDS: u8 = 30;

/// Two approvers and what they hold.
struct Actors {
    two: Two,
    second_key: EnrolledKey,
    /// Minutes since the beginning.
    minute: i64,
    /// Number of exported folders.
    folders: usize,
    /// What the first approver was shown at some time.
    shown: Option<Approval>,
    /// What the second approver was shown at some time.
    cosigning: Option<ToCosign>,
    strings: usize,
}

impl Actors {
    fn new() -> Self {
        let two = Two::confirmed();
        let second_key = serde_json::from_value(ok(&two.second, &["keys", "export"])).unwrap();
        Actors { two, second_key, minute: 0, folders: 0, shown: None, cosigning: None, strings: 0 }
    }

    fn first(&self, actor: Actor) -> App {
        self.two.first.app_as(actor, self.minute)
    }

    fn second(&self) -> App {
        self.two.second.app_as(Actor::Person, self.minute)
    }

    /// The folder that was exported last.
    fn folder(&self) -> PathBuf {
        self.two.first.tmp.path().join(format!("handed-{}", self.folders))
    }

    fn receipts(&self, end: &str) -> PathBuf {
        self.two.first.state().join(format!("receipts/{}{end}.json", self.two.release))
    }

    fn sign(&self) -> Result<(), Failure> {
        let mut app = self.first(Actor::Person);
        let shown = app.sign_preview(None)?;
        app.sign(&shown, PASSPHRASE).map(drop)
    }

    fn publish(&self) -> Result<(), Failure> {
        self.first(Actor::Agent).publish(&PublishParams::default()).map(drop)
    }

    fn export(&mut self) -> Result<(), Failure> {
        let next = self.two.first.tmp.path().join(format!("handed-{}", self.folders + 1));
        self.first(Actor::Agent).cosign_export(None, &next)?;
        self.folders += 1;
        Ok(())
    }

    fn cosign(&self) -> Result<(), Failure> {
        let mut app = self.second();
        let shown = app.cosign_preview(&self.folder())?;
        app.cosign(&shown, SECOND_WORDS).map(drop)
    }

    fn import(&self) -> Result<(), Failure> {
        self.first(Actor::Agent).cosign_import(None, &self.folder()).map(drop)
    }

    fn revoke_second(&self) -> Result<(), Failure> {
        let mut app = self.second();
        let what = app.cosigned(None)?;
        app.cosign_revoke(&self.folder(), &what, SECOND_WORDS).map(drop)
    }

    fn prepare(&self) -> Result<(), Failure> {
        let release = Some(self.two.release.clone());
        self.first(Actor::Agent).prepare(&PrepareParams { release, ..PrepareParams::default() }).map(drop)
    }

    fn demand(&self, approvers: u8) {
        policy(&self.two.first, &format!("[[rule]]\napprovers = {approvers}\n"));
    }

    fn enrol(&self) -> Result<(), Failure> {
        self.first(Actor::Person).keys_enrol(PASSPHRASE, &self.second_key).map(drop)
    }

    fn phase(&self) -> Phase {
        self.first(Actor::Agent).release_item(Some(&self.two.release)).unwrap().state
    }

    /// One event. Publishing is not among them, because nothing follows it; the walks publish.
    fn event(&mut self, kind: u8, minutes: i64) -> Result<(), Failure> {
        match kind {
            0 | 1 => self.sign(),
            2 | 3 => self.export(),
            4 | 5 => self.cosign(),
            6 | 7 => self.import(),
            8 => self.revoke_second(),
            9 => self.first(Actor::Agent).revoke(None).map(drop),
            10 => {
                self.demand(if minutes % 2 == 0 { 1 } else { 2 });
                Ok(())
            }
            11 => {
                self.strings += 1;
                let strings: Vec<String> = (0..self.strings).map(|n| format!("zebra-{n}")).collect();
                self.two.first.configure(&format!("[redact]\nstrings = {strings:?}\n"));
                Ok(())
            }
            12 => self.prepare(),
            // People take time, and a receipt lasts at most a day.
            13 => {
                self.minute += if minutes > 55 { 25 * 60 } else { minutes };
                Ok(())
            }
            14 if self.first(Actor::Person).keys()?.enrolled.len() < 2 => self.enrol(),
            14 => self.first(Actor::Person).keys_remove(&self.second_key.fingerprint).map(drop),
            15 => {
                let ends = ["", ".second", ".provenance"];
                let _ = fs::remove_file(self.receipts(ends[minutes as usize % ends.len()]));
                Ok(())
            }
            // Somebody goes on with what they were shown earlier.
            16 => match self.shown.take() {
                Some(shown) => self.first(Actor::Person).sign(&shown, PASSPHRASE).map(drop),
                None => {
                    self.shown = Some(self.first(Actor::Person).sign_preview(None)?);
                    Ok(())
                }
            },
            17 => match self.cosigning.take() {
                Some(shown) => self.second().cosign(&shown, SECOND_WORDS).map(drop),
                None => {
                    self.cosigning = Some(self.second().cosign_preview(&self.folder())?);
                    Ok(())
                }
            },
            18 => confirm(&mut self.first(Actor::Agent)),
            // Half of the events continue, so that the late phases are reached.
            _ => match self.due() {
                step if step.starts_with("clawgate publish") => Ok(()),
                step if step.contains("cosign") => self.export(),
                step => self.take(&step),
            },
        }
    }

    /// Takes the step that a hint or the status names. Returns the failure if it is refused.
    fn take(&mut self, step: &str) -> Result<(), Failure> {
        let words: Vec<&str> = step.split([' ', '`']).filter(|w| !w.is_empty()).collect();
        match words.as_slice() {
            ["clawgate", "sign", ..] => self.sign(),
            ["clawgate", "publish", ..] => self.publish(),
            ["clawgate", "cosign", ..] => {
                self.export()?;
                self.cosign()?;
                self.import()
            }
            ["ask", "the", "first", "approver", "to", "run", "clawgate", "sign", ..] => {
                self.sign()?;
                self.export()
            }
            ["ask", "the", "first", "approver", "to", "run", "clawgate", "cosign", ..] => self.export(),
            ["clawgate", "prepare", ..] => self.prepare(),
            ["clawgate", "review", ..] => {
                review_to_end(&mut self.first(Actor::Agent));
                Ok(())
            }
            ["clawgate", "confirm", ..] => confirm(&mut self.first(Actor::Agent)),
            ["clawgate", "keys", "enrol", ..] => self.enrol(),
            // It says what to do next.
            ["clawgate"] | ["clawgate", "status"] => Ok(()),
            other => panic!("an unknown step: {other:?}"),
        }
    }

    /// The step that the status names.
    fn due(&self) -> String {
        self.first(Actor::Agent).workflow_status().unwrap().next.command
    }

    /// Takes the named steps until the release is published.
    fn leads_on(&mut self, first: &str) -> Result<(), String> {
        let (mut step, mut taken) = (first.to_owned(), Vec::new());
        for _ in 0..MAX_STEPS {
            let result = self.take(&step);
            taken.push(step);
            if self.phase() == Phase::Published {
                return Ok(());
            }
            step = match result {
                Ok(()) => self.due(),
                Err(failure) => named(&failure).ok_or(format!("{taken:?}: no step in {failure:?}"))?,
            };
            // A key that nobody enrols cannot sign: the status says that one is missing.
            if step.contains("cosign") && self.first(Actor::Person).keys().unwrap().enrolled.len() < 2 {
                self.enrol().unwrap();
            }
        }
        Err(format!("{taken:?} do not publish it"))
    }
}

/// The first step that a failure names.
fn named(failure: &Failure) -> Option<String> {
    let is_step = |hint: &&String| hint.starts_with("clawgate") || hint.starts_with("ask the first approver");
    failure.hints.iter().find(is_step).map(|hint| hint.split("  # ").next().unwrap_or_default().to_owned())
}

/// Refusals after which nothing has to be done: the caller asked for something that cannot be meant.
fn is_usage(failure: &Failure) -> bool {
    matches!(
        failure.code.as_str(),
        "no_receipt" | "not_cosigned" | "bad_folder" | "no_such_key" | "already_approved"
    )
}

/// Tries to publish, on a copy. Returns why it was refused.
fn refused_publication(actors: &mut Actors) -> Option<Failure> {
    on_a_copy(actors, |actors| actors.publish().err())
}

/// Runs something on a copy of both directories.
fn on_a_copy<T>(actors: &mut Actors, run: impl FnOnce(&mut Actors) -> T) -> T {
    let backup = tempfile::tempdir().unwrap();
    let places: Vec<PathBuf> = vec![actors.two.first.state(), actors.two.second.state(), actors.folder()];
    let kept = |n: usize| backup.path().join(n.to_string());
    for (n, place) in places.iter().enumerate().filter(|(_, place)| place.exists()) {
        copy_tree(place, &kept(n));
    }
    let folders = actors.folders;
    let out = run(actors);
    let _ = fs::remove_dir_all(actors.two.first.out());
    for n in folders + 1..=actors.folders {
        let _ = fs::remove_dir_all(actors.two.first.tmp.path().join(format!("handed-{n}")));
    }
    actors.folders = folders;
    for (n, place) in places.iter().enumerate() {
        let _ = fs::remove_dir_all(place);
        if kept(n).exists() {
            restore(&kept(n), place);
        }
    }
    out
}

fn restore(from: &Path, to: &Path) {
    copy_tree(from, to);
    // The directories of keys and receipts are private.
    use std::os::unix::fs::PermissionsExt as _;
    for entry in walkdir::WalkDir::new(to).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_dir())
    {
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn every_refusal_of_a_signature_a_second_one_or_a_publication_names_a_step_that_leads_to_the_publication() {
    let plan = prop::collection::vec((0..KINDS, 0i64..60), EVENTS);
    let mut runner = TestRunner::new(Config { max_shrink_iters: 0, ..crate::testing::cases(1) });
    let refused = std::cell::RefCell::new(std::collections::BTreeMap::<String, u32>::new());
    let outcome = runner.run(&plan, |plan| {
        let mut actors = Actors::new();
        let mut walks = std::collections::BTreeMap::<(String, String, Phase), u32>::new();
        for (n, (kind, minutes)) in plan.into_iter().enumerate() {
            let result = actors.event(kind, minutes);
            prop_assert!(!actors.two.first.out().exists());
            let step = match &result {
                Err(failure) if is_usage(failure) => continue,
                Err(failure) => {
                    *refused.borrow_mut().entry(failure.code.clone()).or_default() += 1;
                    let step = named(failure);
                    prop_assert!(step.is_some(), "event {}: {:?}", kind, failure);
                    step.unwrap_or_default()
                }
                // What the status names leads on too, and a publication that is refused now.
                Ok(()) if n % 10 == 0 => actors.due(),
                // What is refused instead of published is a refusal like the others.
                Ok(()) if n % 10 == 5 => match refused_publication(&mut actors) {
                    Some(failure) => {
                        *refused.borrow_mut().entry(failure.code.clone()).or_default() += 1;
                        named(&failure).unwrap_or_default()
                    }
                    None => continue,
                },
                Ok(()) => continue,
            };
            let code = result.as_ref().err().map_or("none", |failure| failure.code.as_str()).to_owned();
            let what = step.split(" r2").next().unwrap_or_default().to_owned();
            let walked = walks.entry((code, what, actors.phase())).or_default();
            *walked += 1;
            if *walked > MAX_WALKS {
                continue;
            }
            let end = on_a_copy(&mut actors, |actors| actors.leads_on(&step));
            prop_assert!(end.is_ok(), "event {} gave {:?}; {:?}", kind, result.err(), end);
        }
        Ok::<(), TestCaseError>(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    let refused = refused.into_inner();
    for code in ["not_cleared", "not_signed", "not_prepared", "changed_meanwhile", "second_approval_needed"] {
        assert!(refused.contains_key(code), "{code}: {refused:?}");
    }
}
