//! Remembers what was skipped in files that are not read again, so that every scan lists it.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::app::{App, Failure};

use super::Skipped;

/// The fact of the archive that contains the skipped parts by file, as JSON.
const SKIPPED_BY_FILE: &str = "skipped_by_file";

/// Maximum number of files whose skipped parts are remembered.
const MAX_FILES: usize = 2_000;

/// The skipped parts of each file.
pub(super) type SkippedByFile = BTreeMap<String, Vec<Skipped>>;

impl App {
    /// Remembers what was skipped in the files that this scan read, forgets files that are gone, and returns what was
    /// skipped in those of `found` that this scan did not read.
    pub(super) fn remember_skipped(
        &self,
        read: &SkippedByFile,
        found: &HashSet<String>,
    ) -> Result<Vec<Skipped>, Failure> {
        let text = self.archive.meta(SKIPPED_BY_FILE)?;
        // A list that does not parse is only incomplete.
        let old: SkippedByFile = text.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
        let mut all = old.clone();
        all.retain(|path, _| !read.contains_key(path) && (found.contains(path) || Path::new(path).exists()));
        let earlier: Vec<Skipped> =
            all.iter().filter(|(path, _)| found.contains(*path)).flat_map(|(_, s)| s.clone()).collect();
        let new = read.iter().filter(|(_, skipped)| !skipped.is_empty());
        all.extend(
            new.map(|(path, skipped)| (path.clone(), skipped.clone()))
                .take(MAX_FILES.saturating_sub(all.len())),
        );
        if all != old {
            self.archive.set_meta(SKIPPED_BY_FILE, &serde_json::to_string(&all).unwrap_or_default())?;
        }
        Ok(earlier)
    }
}
