//! Maps the directories that logs record to projects.

use std::collections::HashMap;

use crate::sources::checkout;
use crate::trace::trim_separators;

/// Maps the directories that logs record to the paths of their projects.
#[derive(Debug, Default)]
pub struct ProjectPaths {
    pub(super) by_directory: HashMap<String, String>,
}

impl ProjectPaths {
    /// Returns the path of a directory's project. The path alone decides for a directory that no scan has seen.
    pub fn project_of<'a>(&'a self, recorded: &'a str) -> &'a str {
        match self.by_directory.get(trim_separators(recorded)) {
            Some(path) => path,
            None => checkout(recorded).path_or_name(),
        }
    }
}
