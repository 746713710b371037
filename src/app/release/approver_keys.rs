//! The approver keys: creating them, storing the Hub token, and unlocking both.

use std::path::PathBuf;

use serde::Serialize;

use crate::app::{App, Failure, Kind};
use crate::gate::{KdfParams, Keys, PublicKey, Unlocked};
use crate::workflow::Actor;

/// The public part of the approver keys.
#[derive(Debug, Clone, Serialize)]
pub struct KeysReport {
    /// Fingerprint of this machine's key.
    pub fingerprint: Option<String>,
    /// Whether a Hub token is sealed.
    pub hub_token_sealed: bool,
    /// Fingerprints of all enrolled keys.
    pub enrolled: Vec<String>,
}

impl App {
    pub(super) fn keys_dir(&self) -> PathBuf {
        self.dir().join("keys")
    }

    /// The public part of the approver keys.
    ///
    /// # Errors
    /// [`Failure`] if a key file cannot be read.
    pub fn keys(&self) -> Result<KeysReport, Failure> {
        let public = Keys::public(&self.keys_dir())?;
        Ok(KeysReport {
            fingerprint: public.own,
            hub_token_sealed: public.has_token,
            enrolled: public.enrolled.iter().map(|k| k.fingerprint().to_owned()).collect(),
        })
    }

    /// Checks that a passphrase is strong enough for [`App::keys_init`].
    ///
    /// # Errors
    /// [`Failure`] that says what is missing.
    pub fn check_passphrase(passphrase: &str) -> Result<(), Failure> {
        Ok(Keys::check_passphrase(passphrase)?)
    }

    /// Creates the approver key, and seals it and the Hub token with the passphrase.
    ///
    /// # Errors
    /// [`Failure`] if keys exist, the passphrase is weak, or the caller is an agent.
    pub fn keys_init(&mut self, passphrase: &str, token: Option<&str>) -> Result<KeysReport, Failure> {
        self.keys_init_with(passphrase, token, KdfParams::default())
    }

    /// As [`App::keys_init`], with other costs of the key derivation. For tests.
    ///
    /// # Errors
    /// As [`App::keys_init`].
    pub fn keys_init_with(
        &mut self,
        passphrase: &str,
        token: Option<&str>,
        params: KdfParams,
    ) -> Result<KeysReport, Failure> {
        self.require_person("clawgate keys init")?;
        let key = Keys::init(&self.keys_dir(), passphrase, token, self.now(), params)?;
        let detail = serde_json::json!({ "key": key.fingerprint(), "token_sealed": token.is_some() });
        self.audit("keys_made", None, detail)?;
        self.keys()
    }

    /// Replaces the sealed Hub token.
    ///
    /// # Errors
    /// [`Failure`] if the passphrase does not unlock the keys, or the caller is an agent.
    pub fn keys_set_token(&mut self, passphrase: &str, token: Option<&str>) -> Result<KeysReport, Failure> {
        self.require_person("clawgate login")?;
        Keys::set_token(&self.keys_dir(), passphrase, token)?;
        self.audit("token_sealed", None, serde_json::json!({ "token_sealed": token.is_some() }))?;
        self.keys()
    }

    /// Unlocks the keys for a publication that is already signed.
    ///
    /// # Errors
    /// [`Failure`] if the passphrase does not unlock them.
    pub fn unlock(&self, passphrase: &str) -> Result<Unlocked, Failure> {
        Ok(Keys::unlock(&self.keys_dir(), passphrase)?)
    }

    /// The keys whose receipts are accepted.
    pub(super) fn enrolled_keys(&self) -> Result<Vec<PublicKey>, Failure> {
        Ok(Keys::public(&self.keys_dir())?.enrolled)
    }

    /// Fails if the caller is an agent.
    pub(super) fn require_person(&self, command: &str) -> Result<(), Failure> {
        match self.ctx.actor {
            Actor::Person => Ok(()),
            Actor::Agent => {
                let message = format!("Only a person can do this, in their own terminal: `{command}`.");
                Err(Failure::new(Kind::HumanNeeded, "human_needed", message).hint(command))
            }
        }
    }
}
