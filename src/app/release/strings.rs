//! Which strings are always redacted, and which were redacted before and are no longer.
//!
//! Every string that a command set or that a preparation used is remembered ([`super::protected`]). The archive knows them
//! masked, for the screen. A string that is removed from `config.toml` is therefore shown before the next signature.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::{App, Failure};

use super::privacy::masked;
use super::protected::ProtectedList;
use super::secrets::value_id;

/// Name of the masked strings in the archive.
const META: &str = "redacted_strings";
/// What is shown for a string that the audit log remembers and the archive does not.
const UNNAMED: &str = "a string that was deleted from the archive";
/// What is shown if nothing can be recognized, because the archive's key was replaced.
pub(super) const OTHER_KEY: &str = "everything before the archive's key was replaced";

impl App {
    /// The configured strings by the keyed hash, masked.
    fn configured_strings(&self) -> Result<BTreeMap<String, String>, Failure> {
        let key = self.local_key()?;
        let lists = &self.config.redact;
        let values = lists.strings.iter().chain(&lists.usernames);
        Ok(values.map(|v| (value_id(&key, "STRING", v), masked(v))).collect())
    }

    /// The strings of the archive, masked, by the keyed hash.
    fn masked_strings(&self) -> Result<BTreeMap<String, String>, Failure> {
        let stored = self.archive.meta(META)?;
        // A damaged list only loses the masked texts.
        Ok(stored.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    fn set_masked_strings(&self, all: &BTreeMap<String, String>) -> Result<(), Failure> {
        Ok(self.archive.set_meta(META, &serde_json::to_string(all).unwrap_or_default())?)
    }

    /// Remembers the strings and exclusions of the configuration.
    pub(crate) fn remember_lists(&mut self) -> Result<(), Failure> {
        self.remember_strings()?;
        self.remember_exclusions()
    }

    fn remember_strings(&mut self) -> Result<(), Failure> {
        let now = self.configured_strings()?;
        let mut all = self.masked_strings()?;
        let before = all.len();
        all.extend(now.iter().map(|(id, masked)| (id.clone(), masked.clone())));
        if all.len() > before {
            self.set_masked_strings(&all)?;
        }
        self.remember(ProtectedList::Strings, &now.into_keys().collect())
    }

    /// Forgets the masked texts of the strings that are no longer configured, after a publication.
    pub(super) fn forget_removed_strings(&mut self) -> Result<(), Failure> {
        let now = self.configured_strings()?;
        self.set_masked_strings(&now)
    }

    /// Records the strings and exclusions that hold when a release is signed.
    pub(super) fn note_signed_lists(&mut self, release: &str) -> Result<(), Failure> {
        let strings = self.configured_strings()?.into_keys().collect();
        self.note_signed(ProtectedList::Strings, release, &strings)?;
        self.note_signed_exclusions(release)
    }

    /// The strings that are always redacted, and those that were before and are no longer. Both masked.
    pub(super) fn strings_of_release(&self) -> Result<(Vec<String>, Vec<String>), Failure> {
        let now = self.configured_strings()?;
        let names = self.masked_strings()?;
        let remembered = self.remembered(ProtectedList::Strings)?;
        let ids: BTreeSet<&String> = remembered.ids.iter().chain(names.keys()).collect();
        let removed = ids.into_iter().filter(|id| !now.contains_key(*id));
        let mut removed: Vec<String> =
            removed.map(|id| names.get(id).cloned().unwrap_or_else(|| UNNAMED.to_owned())).collect();
        if remembered.other_key {
            removed.push(OTHER_KEY.to_owned());
        }
        Ok((now.into_values().collect(), removed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::app::{Actor, App, Context};
    use crate::trace::{Env, FixedClock, Timestamp};

    #[test]
    fn a_string_that_was_removed_is_known_until_the_next_publication() {
        let tmp = tempfile::tempdir().unwrap();
        let open = || {
            let env = Env::bare(tmp.path().join("home"), tmp.path().join("state"));
            let clock = Arc::new(FixedClock(Timestamp(1_795_219_200_000)));
            App::open(Context::new(env, clock, Actor::Person)).unwrap()
        };
        let mut app = open();
        app.redact_strings(&["Northwind".into(), "Acme Corp".into()], &[]).unwrap();
        let (now, removed) = app.strings_of_release().unwrap();
        assert_eq!((now.len(), removed.len()), (2, 0));
        assert!(!format!("{now:?}").contains("Northwind"), "{now:?}");
        // Another program edits the file.
        let path = tmp.path().join("state/config.toml");
        let text = std::fs::read_to_string(&path).unwrap().replace("\"Northwind\",", "");
        std::fs::write(&path, text).unwrap();
        let mut app = open();
        let (now, removed) = app.strings_of_release().unwrap();
        assert_eq!((now.len(), removed), (1, vec!["N•••••••• (9)".to_owned()]));
        // The memory in the archive is deleted: the audit log still knows that there was a string.
        app.archive.set_meta(super::META, "{}").unwrap();
        assert_eq!(app.strings_of_release().unwrap().1, [super::UNNAMED]);
        app.remember_lists().unwrap();
        assert_eq!(app.strings_of_release().unwrap().1, [super::UNNAMED]);
        // Only a signed publication takes it away, and no entry that a program writes.
        app.forget_removed_strings().unwrap();
        app.note_signed_lists("r20261121-abc").unwrap();
        app.audit("published", Some("r20261121-abc"), serde_json::json!({ "digest": "" })).unwrap();
        assert_eq!(app.strings_of_release().unwrap().1, [super::UNNAMED]);
        app.archive.set_meta("local_key", &"00".repeat(32)).unwrap();
        assert_eq!(app.strings_of_release().unwrap().1.last().map(String::as_str), Some(super::OTHER_KEY));
    }
}
