//! The one judge of every move, and the changes that void what they touch.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::forward;
use super::refusal::NextStep;
use super::{Destination, Effect, Event, NameScan, Phase, Refusal, RefusalCode, Release};
use crate::trace::{SessionKey, Timestamp, Version};

/// How long an upload may be under way before its marker is taken for a crash's.
const UPLOAD_LIMIT_MS: i64 = 24 * 3600 * 1000;

/// A release after a step, with what to carry out.
pub(super) type Step = Result<(Release, Vec<Effect>), Refusal>;

/// Judges one event: the release as it is afterwards and what to carry out, or why not.
///
/// The release is never changed by a refusal. Changes that come from outside (a scan, a session that grew, time)
/// are never refused; a release that is published or withdrawn ignores them, and one whose upload is under way
/// keeps them until the upload ends.
pub fn step(release: &Release, event: &Event) -> Step {
    if release.phase >= Phase::Published {
        return closed(release, event);
    }
    if let Some(flight) = &release.in_flight {
        match event {
            Event::SessionChanged { .. }
            | Event::PolicyChanged { .. }
            | Event::ScopeChanged { .. }
            | Event::ScopeConfirmed
            | Event::EvidenceNoted { .. }
            | Event::Decided { .. } => {
                let mut m = Move::on(release);
                if let Some(f) = &mut m.release.in_flight {
                    f.deferred.push(event.clone());
                }
                return m.done();
            }
            Event::Tick { now } if now.millis() - flight.since.millis() >= UPLOAD_LIMIT_MS => {
                return forward::publish_failed(release, Some(*now));
            }
            Event::ScanDone
            | Event::Tick { .. }
            | Event::RowRead { .. }
            | Event::PublishFailed
            | Event::Published { .. } => {}
            Event::SessionsChosen { .. }
            | Event::Prepared(_)
            | Event::DestinationChanged { .. }
            | Event::NameScanned { .. }
            | Event::NameHitsWaived { .. }
            | Event::ReviewFinished
            | Event::Attested { .. }
            | Event::ReceiptAccepted { .. }
            | Event::Publishing { .. }
            | Event::Withdrawn => {
                return Err(Refusal::of(release, RefusalCode::PublishUnderWay, None)
                    .missing(["the end of the upload".to_owned()]));
            }
        }
    }
    match event {
        Event::ScanDone => {
            let mut m = Move::on(release);
            m.release.archive.scanned = true;
            m.done()
        }
        Event::ScopeConfirmed => scope_confirmed(release),
        Event::ScopeChanged { outside } => scope_changed(release, outside),
        Event::SessionsChosen { sessions } => sessions_chosen(release, sessions),
        Event::SessionChanged { key, version } => session_changed(release, key, version.as_ref()),
        Event::PolicyChanged { policy } => policy_changed(release, policy),
        Event::DestinationChanged { destination } => destination_changed(release, destination),
        Event::Decided { open_findings, undecided_entities, touched } => {
            decided(release, *open_findings, *undecided_entities, touched)
        }
        Event::Tick { now } => tick(release, *now),
        Event::Prepared(made) => forward::prepared(release, made),
        Event::NameScanned { digest, result } => forward::name_scanned(release, digest, *result),
        Event::NameHitsWaived { assurance } => forward::name_hits_waived(release, *assurance),
        Event::RowRead { sha256, by, at } => forward::row_read(release, sha256, by, *at),
        Event::EvidenceNoted { evidence } => forward::evidence_noted(release, evidence),
        Event::ReviewFinished => forward::review_finished(release),
        Event::Attested { kind, words, by, at } => forward::attested(release, *kind, words, by, *at),
        Event::ReceiptAccepted { receipt, now } => forward::receipt_accepted(release, receipt, *now),
        Event::Publishing { digest, now } => forward::publishing(release, digest, *now),
        Event::PublishFailed => forward::publish_failed(release, None),
        Event::Published { commit, digest, now } => forward::published(release, commit, digest, *now),
        Event::Withdrawn => withdrawn(release),
    }
}

/// A release being changed, with the effects so far.
pub(super) struct Move {
    pub(super) release: Release,
    pub(super) effects: Vec<Effect>,
}

impl Move {
    pub(super) fn on(release: &Release) -> Self {
        Move { release: release.clone(), effects: Vec::new() }
    }

    pub(super) fn done(self) -> Step {
        Ok((self.release, self.effects))
    }

    pub(super) fn audit(&mut self, kind: &str, detail: Value) {
        self.effects.push(Effect::Audit { kind: kind.to_owned(), detail });
    }

    /// Takes the approval back; its nonce never counts again.
    pub(super) fn void_receipt(&mut self) {
        if let Some(receipt) = self.release.approval.take() {
            self.release.spent.insert(receipt.nonce.clone());
            self.effects.push(Effect::VoidReceipt { nonce: receipt.nonce });
        }
        self.release.phase = self.release.phase.min(Phase::Confirmed);
    }

    /// Takes back what was said over the digest: the name scan, the attestations and the approval.
    pub(super) fn void_words(&mut self) {
        self.void_receipt();
        self.release.name_scan = NameScan::NotDone;
        if !self.release.attestations.is_empty() {
            self.release.attestations.clear();
            self.effects.push(Effect::VoidAttestations);
        }
        self.release.phase = self.release.phase.min(Phase::Reviewed);
    }

    /// The sealed files are no longer those of the release.
    pub(super) fn unseal(&mut self) {
        self.void_words();
        self.release.sealed = None;
        self.release.phase = Phase::Draft;
    }

    /// These rows must be made again and read again.
    fn touch(&mut self, keys: &[SessionKey]) {
        let keys: Vec<SessionKey> =
            keys.iter().filter(|k| self.release.rows.contains_key(*k)).cloned().collect();
        if keys.is_empty() {
            return;
        }
        self.forget_reading(&keys);
        self.release.stale.extend(keys.iter().cloned());
        self.effects.push(Effect::PrepareAgain { keys });
    }

    /// These sessions leave the release.
    fn drop_rows(&mut self, keys: &[SessionKey]) {
        self.forget_reading(keys);
        for key in keys {
            self.release.chosen.remove(key);
            self.release.rows.remove(key);
            self.release.stale.remove(key);
        }
        self.release.sample.retain(|k| !keys.contains(k));
    }

    /// Voids the review evidence of these rows, but never of bytes that another row holds as well.
    fn forget_reading(&mut self, keys: &[SessionKey]) {
        let r = &mut self.release;
        let kept: BTreeSet<&str> =
            r.rows.iter().filter(|(k, _)| !keys.contains(k)).map(|(_, row)| row.sha256.as_str()).collect();
        let mut voided = Vec::new();
        for key in keys {
            let Some(row) = r.rows.get(key) else { continue };
            if !kept.contains(row.sha256.as_str()) && r.read.contains_key(&row.sha256) {
                voided.push(key.clone());
            }
        }
        for key in &voided {
            if let Some(row) = r.rows.get(key) {
                r.read.remove(&row.sha256);
            }
        }
        if !voided.is_empty() {
            self.effects.push(Effect::VoidRows { keys: voided });
        }
    }
}

/// What a finished release answers: the world's changes pass it by, moves are refused.
fn closed(release: &Release, event: &Event) -> Step {
    match event {
        Event::ScanDone
        | Event::ScopeConfirmed
        | Event::ScopeChanged { .. }
        | Event::SessionChanged { .. }
        | Event::PolicyChanged { .. }
        | Event::EvidenceNoted { .. }
        | Event::Tick { .. } => Move::on(release).done(),
        Event::Withdrawn if release.phase == Phase::Published => withdrawn(release),
        Event::SessionsChosen { .. }
        | Event::Prepared(_)
        | Event::DestinationChanged { .. }
        | Event::Decided { .. }
        | Event::NameScanned { .. }
        | Event::NameHitsWaived { .. }
        | Event::RowRead { .. }
        | Event::ReviewFinished
        | Event::Attested { .. }
        | Event::ReceiptAccepted { .. }
        | Event::Publishing { .. }
        | Event::PublishFailed
        | Event::Published { .. }
        | Event::Withdrawn => {
            let code = match release.phase {
                Phase::Withdrawn => RefusalCode::Withdrawn,
                Phase::Draft
                | Phase::Prepared
                | Phase::Reviewed
                | Phase::Confirmed
                | Phase::Approved
                | Phase::Published => RefusalCode::AlreadyPublished,
            };
            Err(Refusal::of(release, code, None)
                .next(NextStep::prepare())
                .missing(["a new release".to_owned()]))
        }
    }
}

fn scope_confirmed(release: &Release) -> Step {
    if !release.archive.scanned {
        return Err(
            Refusal::of(release, RefusalCode::NotScanned, Some(Phase::Draft)).missing(["a scan".to_owned()])
        );
    }
    let mut m = Move::on(release);
    m.release.archive.scope_confirmed = true;
    m.done()
}

fn scope_changed(release: &Release, outside: &[SessionKey]) -> Step {
    let mut m = Move::on(release);
    m.release.archive.scope_confirmed = false;
    let gone: Vec<SessionKey> =
        outside.iter().filter(|k| m.release.chosen.contains_key(*k)).cloned().collect();
    if !gone.is_empty() {
        m.drop_rows(&gone);
        m.unseal();
        m.audit("scope_changed", json!({ "left": gone }));
    }
    m.done()
}

fn sessions_chosen(release: &Release, sessions: &BTreeMap<SessionKey, Version>) -> Step {
    let archive = &release.archive;
    if !archive.scanned || !archive.scope_confirmed || sessions.is_empty() {
        return Err(Refusal::without_release(archive, Phase::Draft));
    }
    let mut m = Move::on(release);
    if *sessions == release.chosen {
        return m.done();
    }
    let gone: Vec<SessionKey> =
        release.chosen.keys().filter(|k| !sessions.contains_key(*k)).cloned().collect();
    let changed: Vec<SessionKey> = release
        .rows
        .iter()
        .filter(|(k, row)| sessions.get(*k).is_some_and(|v| *v != row.version))
        .map(|(k, _)| k.clone())
        .collect();
    m.drop_rows(&gone);
    m.touch(&changed);
    m.release.chosen = sessions.clone();
    m.unseal();
    m.audit("sessions_chosen", json!({ "sessions": sessions.len() }));
    m.done()
}

fn session_changed(release: &Release, key: &SessionKey, version: Option<&Version>) -> Step {
    let mut m = Move::on(release);
    let Some(chosen) = release.chosen.get(key) else { return m.done() };
    match version {
        Some(v) if v == chosen => return m.done(),
        Some(v) => {
            m.touch(std::slice::from_ref(key));
            m.release.chosen.insert(key.clone(), v.clone());
        }
        None => m.drop_rows(std::slice::from_ref(key)),
    }
    m.unseal();
    m.audit("session_changed", json!({ "session": key, "version": version }));
    m.done()
}

fn policy_changed(release: &Release, policy: &str) -> Step {
    let mut m = Move::on(release);
    if release.policy.as_deref() == Some(policy) {
        return m.done();
    }
    m.release.policy = Some(policy.to_owned());
    // Which rows the new policy alters shows only when they are made again: reading evidence belongs to bytes,
    // so a row that comes out the same keeps its review.
    let keys: Vec<SessionKey> = m.release.rows.keys().cloned().collect();
    m.release.stale.extend(keys.iter().cloned());
    if !keys.is_empty() {
        m.effects.push(Effect::PrepareAgain { keys });
    }
    m.unseal();
    m.audit("policy_changed", json!({ "policy": policy }));
    m.done()
}

fn destination_changed(release: &Release, destination: &Destination) -> Step {
    let mut m = Move::on(release);
    if release.destination.as_ref() == Some(destination) {
        return m.done();
    }
    m.release.destination = Some(destination.clone());
    m.void_receipt();
    m.audit("destination_changed", json!({ "destination": destination }));
    m.done()
}

fn decided(release: &Release, open: u64, entities: u64, touched: &[SessionKey]) -> Step {
    let mut m = Move::on(release);
    m.release.open_findings = open;
    m.release.undecided_entities = entities;
    if touched.iter().any(|k| release.rows.contains_key(k)) {
        m.touch(touched);
        m.unseal();
    }
    if open + entities > 0 && m.release.phase > Phase::Prepared {
        m.void_words();
        m.release.phase = Phase::Prepared;
    }
    m.audit("decided", json!({ "open_findings": open, "undecided_entities": entities, "touched": touched }));
    m.done()
}

fn tick(release: &Release, now: Timestamp) -> Step {
    let mut m = Move::on(release);
    let ran_out = release.approval.as_ref().is_some_and(|a| now >= a.expires);
    if ran_out && release.in_flight.is_none() {
        m.void_receipt();
        m.audit("receipt_expired", json!({ "now": now }));
    }
    m.done()
}

fn withdrawn(release: &Release) -> Step {
    let mut m = Move::on(release);
    m.void_receipt();
    if let Some(p) = &release.published {
        let destination = p.receipt.destination.clone();
        m.effects.push(Effect::TakeDown { destination, commit: p.commit.clone() });
    }
    m.release.phase = Phase::Withdrawn;
    m.audit("withdrawn", json!({ "from": release.phase }));
    m.done()
}
