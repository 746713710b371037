//! A release that is being changed, with the effects of the change.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Effect, NameScan, Phase, Refusal, RefusalCode, Release, Sealed};
use crate::trace::SessionKey;

/// The new release and what the caller has to carry out, or the refusal.
pub(super) type StepResult = Result<(Release, Vec<Effect>), Refusal>;

/// Returns the preparation, or a refusal if it does not match the current sessions, policy and destination.
pub(super) fn need_seal(release: &Release, required: Phase) -> Result<&Sealed, Refusal> {
    match &release.sealed {
        Some(sealed) if release.seal_is_current() => Ok(sealed),
        Some(_) => Err(Refusal::of(release, RefusalCode::NotPrepared, Some(required))
            .missing(["files sealed for the current destination"])),
        None => Err(Refusal::of(release, RefusalCode::NotPrepared, Some(required))
            .missing(["sealed files of the current sessions and policy"])),
    }
}

/// A changed copy of a release, with the effects so far.
pub(super) struct Transition {
    pub(super) release: Release,
    pub(super) effects: Vec<Effect>,
}

impl Transition {
    pub(super) fn on(release: &Release) -> Self {
        Transition { release: release.clone(), effects: Vec::new() }
    }

    pub(super) fn done(self) -> StepResult {
        Ok((self.release, self.effects))
    }

    pub(super) fn audit(&mut self, kind: &str, detail: Value) {
        self.effects.push(Effect::Audit { kind: kind.to_owned(), detail });
    }

    /// Voids the approval. Its nonce is never accepted again.
    pub(super) fn void_receipt(&mut self) {
        if let Some(receipt) = self.release.approval.take() {
            self.release.spent.insert(receipt.nonce.clone());
            self.effects.push(Effect::VoidReceipt { nonce: receipt.nonce });
        }
        self.release.phase = self.release.phase.min(Phase::Confirmed);
    }

    /// Voids everything that was stated about the digest: the name scan, the attestations and the approval.
    pub(super) fn void_attestations(&mut self) {
        self.void_receipt();
        self.release.name_scan = NameScan::NotDone;
        if !self.release.attestations.is_empty() {
            self.release.attestations.clear();
            self.effects.push(Effect::VoidAttestations);
        }
        self.release.phase = self.release.phase.min(Phase::Reviewed);
    }

    /// Discards the preparation: the sealed files no longer belong to the release.
    pub(super) fn unseal(&mut self) {
        self.void_attestations();
        self.release.sealed = None;
        self.release.phase = Phase::Draft;
    }

    /// Marks rows that must be made again and read again.
    pub(super) fn mark_stale(&mut self, keys: &[SessionKey]) {
        let keys: Vec<SessionKey> =
            keys.iter().filter(|k| self.release.rows.contains_key(*k)).cloned().collect();
        if keys.is_empty() {
            return;
        }
        self.void_reading(&keys);
        self.release.stale.extend(keys);
    }

    /// Removes sessions from the release.
    pub(super) fn remove_sessions(&mut self, keys: &[SessionKey]) {
        self.void_reading(keys);
        for key in keys {
            self.release.chosen.remove(key);
            self.release.rows.remove(key);
            self.release.stale.remove(key);
        }
        self.release.sample.retain(|k| !keys.contains(k));
    }

    /// Voids the review evidence of every row.
    pub(super) fn void_all_reading(&mut self) {
        let keys: Vec<SessionKey> = self.release.rows.keys().cloned().collect();
        self.void_reading(&keys);
        self.release.read.clear();
        self.release.evidence = None;
    }

    /// Voids the review evidence of these rows.
    fn void_reading(&mut self, keys: &[SessionKey]) {
        let r = &mut self.release;
        // Evidence belongs to bytes. Bytes that another row also contains keep their evidence.
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
