//! Identities that a session gives away: account names, authors, addresses.

use crate::trace::Session;

use super::known_values::KnownValue;
use super::placeholder::USER;
use super::{Redactor, paths, session};

impl Redactor<'_> {
    /// Learns the identities of a session: home directories, Git identities, prompts, mail local parts, introductions.
    pub fn collect_identities(&mut self, session: &Session) {
        let mut names: Vec<String> = Vec::new();
        session::each_text(session, &mut |_, text| {
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
                    rule: "home-path".into(),
                    confidence: 85,
                    word: true,
                    fold: true,
                };
                self.learn(&name, known);
            }
        }
    }
}
