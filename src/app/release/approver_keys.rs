//! The approver keys: creating, enrolling and replacing them, storing the Hub token, and unlocking both.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::audit::AuditLog;
use crate::app::{App, Failure, Kind};
use crate::gate::{GateError, HubAccess, KdfParams, Keys, PublicKey, PublicKeys, Unlocked};
use crate::trace::Timestamp;
use crate::workflow::{Actor, AuditEntry};

/// The entries of the audit log about the keys of others.
const KEY_ENROLLED: &str = "key_enrolled";
const KEY_REMOVED: &str = "key_removed";
/// The entries about the own key.
const KEYS_MADE: &str = "keys_made";
const KEY_ROTATED: &str = "key_rotated";
/// The entries about passphrases. Wrong ones count until a right one follows.
const WRONG: &str = "wrong_passphrase";
const RIGHT_AGAIN: &str = "passphrase_right_again";
/// This many wrong passphrases have no delay, so that a person may mistype.
const FREE_ATTEMPTS: u32 = 3;
/// Maximum delay before a passphrase is tried, in seconds.
const MAX_DELAY_SECONDS: u64 = 30;
/// At most this many names of projects are compared with a new passphrase.
const MAX_KNOWN_PROJECTS: usize = 2000;
/// How often a delay looks whether the person cancelled.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The public part of the approver keys.
#[derive(Debug, Clone, Serialize)]
pub struct KeysReport {
    /// Fingerprint of this machine's key.
    pub fingerprint: Option<String>,
    /// When the key was made, as the audit log says. `None` if the log does not say it.
    pub created: Option<Timestamp>,
    /// Whether a Hub token is sealed.
    pub hub_token_sealed: bool,
    /// Address of the Hub that the stored token is for.
    pub endpoint: Option<String>,
    /// The proxy that is sealed with the token.
    pub proxy: Option<String>,
    /// Fingerprints of all enrolled keys. Their receipts are accepted.
    pub enrolled: Vec<String>,
    /// Fingerprints of listed keys that no enrolled key signed. Their receipts are not accepted.
    pub unsigned: Vec<String>,
}

/// A public key that another approver can enrol.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolledKey {
    pub fingerprint: String,
    /// The Ed25519 public key, base64.
    pub public: String,
}

impl From<&PublicKey> for EnrolledKey {
    fn from(key: &PublicKey) -> Self {
        let public = data_encoding::BASE64.encode(key.bytes());
        EnrolledKey { fingerprint: key.fingerprint().to_owned(), public }
    }
}

/// Fingerprint of the own key that this one replaced, as the first entry of the audit log about it says. `None` if it replaced
/// none.
pub(super) fn replaced_by(log: &AuditLog, key: &str) -> Option<String> {
    let is_made = |e: &&AuditEntry| {
        matches!(e.kind.as_str(), KEYS_MADE | KEY_ROTATED) && e.detail["key"].as_str() == Some(key)
    };
    let made = log.evidence().iter().find(is_made).filter(|e| e.kind == KEY_ROTATED)?;
    made.detail["old"].as_str().map(str::to_owned)
}

/// The delay before a passphrase is tried, after a number of wrong ones.
fn delay_after(wrong: u32) -> Duration {
    let exponent = wrong.saturating_sub(FREE_ATTEMPTS).min(16);
    match wrong < FREE_ATTEMPTS {
        true => Duration::ZERO,
        false => Duration::from_secs((1 << exponent).min(MAX_DELAY_SECONDS)),
    }
}

impl App {
    pub(in crate::app) fn keys_dir(&self) -> PathBuf {
        self.dir().join("keys")
    }

    pub(super) fn public_keys(&self) -> Result<PublicKeys, Failure> {
        let public = Keys::public(&self.keys_dir())?;
        // Only the list of others can have a key that was removed, and the audit log is long.
        if public.enrolled.iter().all(|key| Some(key) == public.own.as_ref()) {
            return Ok(public);
        }
        Ok(Keys::public_without(&self.keys_dir(), &self.removed_keys()?)?)
    }

    /// Fingerprints of the keys that a person removed and did not enrol again. The list of keys is a file that can be
    /// restored; the audit log shows that.
    fn removed_keys(&self) -> Result<BTreeSet<String>, Failure> {
        let log = self.audit_log()?;
        let accepted = log.accepted();
        let mut removed = BTreeSet::new();
        for (n, entry) in log.entries.iter().enumerate() {
            let Some(key) = entry.detail["key"].as_str() else { continue };
            match entry.kind.as_str() {
                KEY_REMOVED => removed.insert(key.to_owned()),
                // An entry whose damage was accepted gives nothing back.
                KEY_ENROLLED if n >= accepted => removed.remove(key),
                _ => continue,
            };
        }
        Ok(removed)
    }

    /// When a key of this machine was made, as the audit log says. The date in the key file can be edited.
    pub(super) fn key_made(&self, fingerprint: &str) -> Result<Option<Timestamp>, Failure> {
        let log = self.audit_log()?;
        let is_made = |kind: &str| matches!(kind, KEYS_MADE | KEY_ROTATED);
        let mut entries = log.evidence().iter().filter(|e| is_made(&e.kind));
        Ok(entries.find(|e| e.detail["key"].as_str() == Some(fingerprint)).map(|e| e.at))
    }

    /// The public part of the approver keys.
    ///
    /// # Errors
    /// [`Failure`] if a key file cannot be read.
    pub fn keys(&self) -> Result<KeysReport, Failure> {
        let public = self.public_keys()?;
        let own = public.own.as_ref();
        Ok(KeysReport {
            created: own.map(|k| self.key_made(k.fingerprint())).transpose()?.flatten(),
            fingerprint: public.own.map(|k| k.fingerprint().to_owned()),
            hub_token_sealed: public.hub.is_some(),
            endpoint: public.hub.as_ref().map(|h| h.endpoint.clone()),
            proxy: public.hub.and_then(|h| h.proxy),
            enrolled: public.enrolled.iter().map(|k| k.fingerprint().to_owned()).collect(),
            unsigned: public.unsigned,
        })
    }

    /// Checks that a passphrase is hard to guess, also for somebody who knows the person and their projects.
    ///
    /// # Errors
    /// [`Failure`] that says what would be better.
    pub fn check_passphrase(&self, passphrase: &str) -> Result<(), Failure> {
        Ok(Keys::check_passphrase(passphrase, &self.known_words()?)?)
    }

    /// Words that somebody who knows the person would try: their names and those of their projects.
    fn known_words(&self) -> Result<Vec<String>, Failure> {
        let env = &self.ctx.env;
        let mut words: Vec<String> = ["USER", "LOGNAME", "HOSTNAME"]
            .iter()
            .filter_map(|name| env.var(name).map(str::to_owned))
            .collect();
        words.extend(env.home.file_name().map(|n| n.to_string_lossy().into_owned()));
        words.extend(self.config.redact.usernames.iter().cloned());
        words.extend(self.config.redact.strings.iter().cloned());
        words.extend(self.config.publish.repo.iter().flat_map(|repo| repo.split('/')).map(str::to_owned));
        words.extend(self.archive.projects()?.into_iter().map(|p| p.name).take(MAX_KNOWN_PROJECTS));
        Ok(words)
    }

    /// Creates the approver key, and seals it and the Hub token with the passphrase.
    ///
    /// # Errors
    /// [`Failure`] if keys exist, the passphrase is weak, or the caller is an agent.
    pub fn keys_init(&mut self, passphrase: &str, hub: Option<&HubAccess>) -> Result<KeysReport, Failure> {
        self.keys_init_with(passphrase, hub, KdfParams::default())
    }

    /// As [`App::keys_init`], with other costs of the key derivation. For tests.
    ///
    /// # Errors
    /// As [`App::keys_init`].
    pub fn keys_init_with(
        &mut self,
        passphrase: &str,
        hub: Option<&HubAccess>,
        params: KdfParams,
    ) -> Result<KeysReport, Failure> {
        self.require_person("clawgate keys init")?;
        self.check_passphrase(passphrase)?;
        let log = self.audit_log()?;
        let key = Keys::init(&self.keys_dir(), passphrase, hub, self.now(), params)?;
        let detail = json!({ "key": key.fingerprint(), "token_sealed": hub.is_some() });
        self.audit(KEYS_MADE, None, detail)?;
        let unlocked = self.unlock(passphrase)?;
        self.sign_audit_head_of_new_key(&unlocked, &log)?;
        self.keys()
    }

    /// Replaces the sealed Hub token and its address.
    ///
    /// # Errors
    /// [`Failure`] if the passphrase does not unlock the keys, or the caller is an agent.
    pub fn keys_set_token(
        &mut self,
        passphrase: &str,
        hub: Option<&HubAccess>,
    ) -> Result<KeysReport, Failure> {
        self.require_person("clawgate login")?;
        self.try_passphrase(|dir| Keys::set_token(dir, passphrase, hub))?;
        let address = hub.map(|h| &h.address);
        let detail = json!({
            "token_sealed": hub.is_some(),
            "endpoint": address.map(|a| &a.endpoint),
            "proxy": address.and_then(|a| a.proxy.as_ref()),
        });
        self.audit("token_sealed", None, detail)?;
        let unlocked = self.unlock(passphrase)?;
        self.refresh_audit_head(&unlocked)?;
        self.keys()
    }

    /// Seals key and token with another passphrase.
    ///
    /// # Errors
    /// [`Failure`] if the old passphrase does not unlock the keys, the new one is weak, or the caller is an agent.
    pub fn keys_set_passphrase(&mut self, old: &str, new: &str) -> Result<KeysReport, Failure> {
        self.require_person("clawgate keys passphrase")?;
        self.check_passphrase(new)?;
        self.try_passphrase(|dir| Keys::set_passphrase(dir, old, new))?;
        self.audit("passphrase_changed", None, json!({}))?;
        let unlocked = self.unlock(new)?;
        self.refresh_audit_head(&unlocked)?;
        self.keys()
    }

    /// Replaces the approver key by a new one.
    ///
    /// # Errors
    /// [`Failure`] if the passphrase does not unlock the keys, or the caller is an agent.
    pub fn keys_rotate(&mut self, passphrase: &str) -> Result<KeysReport, Failure> {
        self.require_person("clawgate keys rotate")?;
        let old = self.public_keys()?.own.map(|k| k.fingerprint().to_owned());
        let (now, log) = (self.now(), self.audit_log()?);
        let key = self.try_passphrase(|dir| Keys::rotate(dir, passphrase, now))?;
        self.audit(KEY_ROTATED, None, json!({ "old": old, "key": key.fingerprint() }))?;
        let unlocked = self.unlock(passphrase)?;
        self.sign_audit_head_of_new_key(&unlocked, &log)?;
        self.keys()
    }

    /// The public key of this machine, for another approver.
    ///
    /// # Errors
    /// [`Failure`] if there is no key.
    pub fn keys_export(&self) -> Result<EnrolledKey, Failure> {
        let own = self.public_keys()?.own.ok_or(GateError::NoKeys)?;
        Ok(EnrolledKey::from(&own))
    }

    /// Refuses the person's own key, which is accepted without being enrolled, an earlier key of theirs, and a key under another
    /// fingerprint: people compare the fingerprint before they enrol the key.
    ///
    /// # Errors
    /// [`Failure`] if there is no own key, it is or was this one, or the fingerprint is not that of the key.
    pub fn check_other_key(&self, key: &EnrolledKey) -> Result<(), Failure> {
        let bytes = data_encoding::BASE64.decode(key.public.as_bytes()).ok();
        let real = bytes.and_then(|b| <[u8; 32]>::try_from(b).ok()).map(|b| PublicKey::new(b, self.now()));
        if real.is_none_or(|real| real.fingerprint() != key.fingerprint) {
            let message = "The fingerprint in the file is not that of the key. Ask the other person for the output of \
                           `clawgate keys export`.";
            return Err(Failure::usage("bad_key", message));
        }
        if self.keys_export()?.fingerprint == key.fingerprint {
            let message = "This is your own key. It is accepted without being enrolled.";
            return Err(Failure::usage("own_key", message).hint("clawgate keys list"));
        }
        if self.key_made(&key.fingerprint)?.is_some() {
            let message = "This was your own key before. It cannot be the key of another approver.";
            return Err(Failure::usage("own_key", message).hint("clawgate keys list"));
        }
        Ok(())
    }

    /// Enrols the key of another approver with a signature of the person's own key.
    ///
    /// # Errors
    /// [`Failure`] if the passphrase does not unlock the keys, the text is not a key, or the caller is an agent.
    pub fn keys_enrol(&mut self, passphrase: &str, key: &EnrolledKey) -> Result<KeysReport, Failure> {
        self.require_person("clawgate keys enrol")?;
        self.check_other_key(key)?;
        let unlocked = self.unlock(passphrase)?;
        let enrolled = Keys::enrol(&self.keys_dir(), &unlocked, &key.public, self.now())?;
        self.audit(
            KEY_ENROLLED,
            None,
            json!({ "key": enrolled.fingerprint(), "by": unlocked.fingerprint() }),
        )?;
        self.refresh_audit_head(&unlocked)?;
        self.keys()
    }

    /// Removes the key of another approver.
    ///
    /// # Errors
    /// [`Failure`] if the list has no such key or the caller is an agent.
    pub fn keys_remove(&mut self, fingerprint: &str) -> Result<KeysReport, Failure> {
        self.require_person("clawgate keys remove")?;
        if self.public_keys()?.own.is_some_and(|own| own.fingerprint() == fingerprint) {
            let message = "This is your own key. `clawgate keys rotate` replaces it.";
            return Err(Failure::usage("own_key", message).hint("clawgate keys rotate"));
        }
        if !Keys::remove(&self.keys_dir(), fingerprint)? {
            let f = Failure::usage("no_such_key", "No enrolled key has this fingerprint.");
            return Err(f.hint("clawgate keys list"));
        }
        self.audit(KEY_REMOVED, None, json!({ "key": fingerprint }))?;
        self.keys()
    }

    /// Unlocks the keys.
    ///
    /// # Errors
    /// [`Failure`] if the passphrase does not unlock them.
    pub(crate) fn unlock(&mut self, passphrase: &str) -> Result<Unlocked, Failure> {
        self.try_passphrase(|dir| Keys::unlock(dir, passphrase))
    }

    /// Checks with the passphrase that a person is at the terminal.
    ///
    /// # Errors
    /// [`Failure`] if the passphrase does not unlock the keys.
    pub fn prove_person(&mut self, passphrase: &str) -> Result<(), Failure> {
        let unlocked = self.unlock(passphrase)?;
        self.audit("person_proven", None, json!({}))?;
        self.refresh_audit_head(&unlocked)
    }

    /// Tries a passphrase. After some wrong ones it first waits, longer each time. Wrong ones are recorded in the audit log.
    fn try_passphrase<T>(
        &mut self,
        attempt: impl FnOnce(&std::path::Path) -> Result<T, GateError>,
    ) -> Result<T, Failure> {
        let wrong = self.wrong_passphrases()?;
        let mut left = delay_after(wrong);
        while !left.is_zero() {
            self.ctx.check()?;
            let part = left.min(POLL_INTERVAL);
            std::thread::sleep(part);
            left = left.saturating_sub(part);
        }
        match attempt(&self.keys_dir()) {
            Ok(value) => {
                if wrong > 0 {
                    self.audit(RIGHT_AGAIN, None, json!({}))?;
                }
                Ok(value)
            }
            Err(GateError::WrongPassphrase) => {
                self.audit(WRONG, None, json!({ "in_a_row": wrong.saturating_add(1) }))?;
                Err(Failure::from(GateError::WrongPassphrase).recorded())
            }
            Err(e) => Err(e.into()),
        }
    }

    /// The number of wrong passphrases since the last right one, as the audit log says.
    fn wrong_passphrases(&self) -> Result<u32, Failure> {
        let entries = self.archive.audit()?;
        let since = entries.iter().rev().take_while(|e| e.kind != RIGHT_AGAIN);
        Ok(u32::try_from(since.filter(|e| e.kind == WRONG).count()).unwrap_or(u32::MAX))
    }

    /// The keys whose receipts are accepted.
    pub(super) fn enrolled_keys(&self) -> Result<Vec<PublicKey>, Failure> {
        Ok(self.public_keys()?.enrolled)
    }

    /// Fails if the caller is an agent.
    pub(crate) fn require_person(&self, command: &str) -> Result<(), Failure> {
        match self.ctx.actor {
            Actor::Person => Ok(()),
            Actor::Agent => {
                let message = format!("Only a person can do this, in their own terminal: `{command}`.");
                Err(Failure::new(Kind::HumanNeeded, "human_needed", message).hint(command))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Context;
    use crate::trace::{Env, FixedClock, Timestamp};

    #[test]
    fn the_audit_log_is_whole_after_the_key_that_signed_its_head_is_replaced() {
        const PASSPHRASE: &str = "seven lanterns under the old bridge";
        let tmp = tempfile::tempdir().unwrap();
        let env = Env::bare(tmp.path().join("home"), tmp.path().join("state"));
        let clock = std::sync::Arc::new(FixedClock(Timestamp::parse("2026-11-20T12:00:00Z").unwrap()));
        let mut app = App::open(Context::new(env, clock, Actor::Person)).unwrap();
        app.keys_init(PASSPHRASE, None).unwrap();
        app.keys_rotate(PASSPHRASE).unwrap();
        let unlocked = app.unlock(PASSPHRASE).unwrap();
        app.sign_audit_head(&unlocked).unwrap();
        let old = app.audit_log().unwrap();
        app.keys_rotate(PASSPHRASE).unwrap();
        let new = app.audit_log().unwrap();
        assert!(new.broken.is_none(), "{:?}", new.broken);
        assert!(new.signed_by.is_some() && new.signed_by != old.signed_by);
        assert_eq!(new.head.map(|h| h.counter), old.head.map(|h| h.counter + 1));
    }

    #[test]
    fn the_delay_begins_after_three_wrong_passphrases_and_doubles_up_to_its_limit() {
        let seconds: Vec<u64> = (0..10).map(|n| delay_after(n).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(delay_after(u32::MAX).as_secs(), 30);
    }
}
