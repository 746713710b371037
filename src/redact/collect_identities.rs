//! Learns the identities that the paths of a session reveal.

use crate::trace::Session;

use super::known_values::KnownValue;
use super::placeholder::USER;
use super::{Redactor, paths, session, word_rules};

impl Redactor<'_> {
    /// Learns the user names in the home directories of a session.
    pub fn collect_identities(&mut self, session: &Session) {
        let mut names: Vec<String> = Vec::new();
        session::for_each_text(session, &mut |_, text| {
            for (s, e) in paths::users(text) {
                names.push(text[s..e].to_owned());
            }
        });
        names.sort_unstable();
        names.dedup();
        for name in names {
            if name.len() >= 3 {
                let known = KnownValue {
                    kind: USER.into(),
                    rule: word_rules::HOME_PATH.into(),
                    confidence: 85,
                    whole_word: true,
                    any_case: true,
                    any_spelling: false,
                };
                self.learn(&name, known);
            }
        }
    }
}
