//! Which projects were excluded before and are no longer.
//!
//! Every project that the configuration excluded since the last publication is remembered ([`super::protected`]). A project
//! that is not excluded any more, by a command or by an edit of the file, is therefore shown before the next signature.

use std::collections::BTreeSet;

use crate::app::{App, Failure};
use crate::store::ProjectRow;

use super::protected::ProtectedList;
use super::secrets::value_id;

/// What identifies a project: its path, because names change. Sessions without a project have only a name.
fn id(key: &[u8; 32], project: &ProjectRow) -> String {
    value_id(key, "PROJECT", if project.path.is_empty() { &project.name } else { &project.path })
}

impl App {
    /// The projects that are excluded now.
    fn excluded_ids(&self) -> Result<BTreeSet<String>, Failure> {
        let key = self.local_key()?;
        Ok(self.projects_in_scope()?.0.iter().filter(|p| p.excluded).map(|p| id(&key, p)).collect())
    }

    /// Remembers the projects that are excluded now.
    pub(super) fn remember_exclusions(&mut self) -> Result<(), Failure> {
        let now = self.excluded_ids()?;
        self.remember(ProtectedList::Exclusions, &now)
    }

    /// Forgets the projects that are no longer excluded.
    pub(super) fn forget_removed_exclusions(&mut self) -> Result<(), Failure> {
        let now = self.excluded_ids()?;
        self.forget_unprotected(ProtectedList::Exclusions, &now)
    }

    /// The names of the projects that were excluded before and are no longer.
    pub(super) fn removed_exclusions(&self) -> Result<Vec<String>, Failure> {
        let remembered = self.remembered(ProtectedList::Exclusions)?;
        let key = self.local_key()?;
        let (projects, _) = self.projects_in_scope()?;
        let removed = projects.into_iter().filter(|p| !p.excluded && remembered.ids.contains(&id(&key, p)));
        let mut names: Vec<String> = removed.map(|p| p.name).collect();
        if remembered.other_key {
            names.push(super::strings::OTHER_KEY.to_owned());
        }
        Ok(names)
    }
}
