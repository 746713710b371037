//! Which projects and directories were excluded before and are no longer.
//!
//! Every project, and every directory that sessions worked in, that the configuration excluded since the last publication is remembered ([`super::protected`]). A project
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

/// What identifies a directory in which sessions worked that began in another one.
fn directory_id(key: &[u8; 32], path: &str) -> String {
    value_id(key, "DIRECTORY", path)
}

impl App {
    /// The projects and directories that are excluded now.
    fn excluded_ids(&self) -> Result<BTreeSet<String>, Failure> {
        let key = self.local_key()?;
        let (projects, exclusions) = self.projects_in_scope()?;
        let projects = projects.iter().filter(|p| p.excluded).map(|p| id(&key, p));
        let directories = exclusions.visited.iter().map(|path| directory_id(&key, path));
        Ok(projects.chain(directories).collect())
    }

    /// Remembers what is excluded now.
    pub(super) fn remember_exclusions(&mut self) -> Result<(), Failure> {
        let now = self.excluded_ids()?;
        self.remember(ProtectedList::Exclusions, &now)
    }

    /// Records what is excluded when a release is signed.
    pub(super) fn note_signed_exclusions(&mut self, release: &str) -> Result<(), Failure> {
        let now = self.excluded_ids()?;
        self.note_signed(ProtectedList::Exclusions, release, &now)
    }

    /// The names of the projects, and the paths of the directories, that were excluded before and are no longer.
    pub(super) fn removed_exclusions(&self) -> Result<Vec<String>, Failure> {
        let remembered = self.remembered(ProtectedList::Exclusions)?;
        let key = self.local_key()?;
        let (projects, exclusions) = self.projects_in_scope()?;
        let removed = projects.into_iter().filter(|p| !p.excluded && remembered.ids.contains(&id(&key, p)));
        let mut names: Vec<String> = removed.map(|p| p.name).collect();
        let included =
            self.visited_directories()?.into_iter().filter(|path| !exclusions.visited.contains(path));
        names.extend(included.filter(|path| remembered.ids.contains(&directory_id(&key, path))));
        if remembered.other_key {
            names.push(super::strings::OTHER_KEY.to_owned());
        }
        Ok(names)
    }
}
