//! Resolves what a caller typed to projects, and applies the exclusions of the configuration.

use std::collections::BTreeSet;
use std::path::Path;

use regex::{Regex, RegexBuilder};

use crate::store::ProjectRow;
use crate::trace::{is_windows_path, trim_separators};

use crate::app::text::{echo, list_names, nearest};
use crate::app::{App, Failure};

/// Maximum length of a name, path or glob, in characters.
const MAX_PATTERN_CHARS: usize = 4096;

/// The projects that a name, path or glob selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Names of the projects, in the order of the list.
    pub names: Vec<String>,
    /// The text that selects the same projects in the configuration: names are complete, paths absolute.
    pub entry: String,
}

/// Why a text selects no project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mismatch {
    Unknown,
    /// The text is the beginning of the names of several projects.
    Ambiguous(Vec<String>),
    /// The text is a name as a table shortens it.
    Shortened(Vec<String>),
}

/// Selects projects by a name in any case, the unique beginning of a name, a path with everything below it, or a glob.
pub(crate) fn select(typed: &str, projects: &[ProjectRow], home: &Path) -> Result<Selection, Mismatch> {
    let typed = typed.trim();
    if typed.is_empty() || typed.chars().count() > MAX_PATTERN_CHARS {
        return Err(Mismatch::Unknown);
    }
    let all = |fits: &dyn Fn(&ProjectRow) -> bool| -> Vec<String> {
        projects.iter().filter(|p| fits(p)).map(|p| p.name.clone()).collect()
    };
    if let Some(exact) = projects.iter().find(|p| p.name == typed) {
        return Ok(Selection { names: vec![exact.name.clone()], entry: exact.name.clone() });
    }
    let lower = typed.to_lowercase();
    match &all(&|p| p.name.to_lowercase() == lower)[..] {
        [] => {}
        [only] => return Ok(Selection { names: vec![only.clone()], entry: only.clone() }),
        several => return Err(Mismatch::Ambiguous(several.to_vec())),
    }
    if let Some((start, end)) = typed.split_once('…').or_else(|| typed.split_once("...")) {
        let (start, end) = (start.to_lowercase(), end.to_lowercase());
        let meant = all(&|p| {
            let name = p.name.to_lowercase();
            name.starts_with(&start) && name.ends_with(&end)
        });
        return Err(if meant.is_empty() { Mismatch::Unknown } else { Mismatch::Shortened(meant) });
    }
    let path = expand_home(typed, home);
    if path.contains(['*', '?', '[']) {
        let glob = Glob::new(&path).ok_or(Mismatch::Unknown)?;
        let names = all(&|p| glob.selects(p));
        return if names.is_empty() { Err(Mismatch::Unknown) } else { Ok(Selection { names, entry: path }) };
    }
    if is_absolute(&path) {
        let path = trim_separators(&path);
        for ignore_case in [false, true] {
            let names = all(&|p| directories(p).any(|directory| is_below(directory, path, ignore_case)));
            if !names.is_empty() {
                return Ok(Selection { names, entry: path.to_owned() });
            }
        }
        return Err(Mismatch::Unknown);
    }
    match &all(&|p| p.name.to_lowercase().starts_with(&lower))[..] {
        [] => Err(Mismatch::Unknown),
        [only] => Ok(Selection { names: vec![only.clone()], entry: only.clone() }),
        several => Err(Mismatch::Ambiguous(several.to_vec())),
    }
}

/// Returns the paths that select a project: its own, and those of its worktrees.
fn directories(p: &ProjectRow) -> impl Iterator<Item = &str> {
    std::iter::once(p.path.as_str()).chain(p.directories.iter().map(String::as_str))
}

fn expand_home(typed: &str, home: &Path) -> String {
    match typed.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\']) => {
            format!("{}{rest}", trim_separators(&home.to_string_lossy()))
        }
        _ => typed.to_owned(),
    }
}

fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '\\']) || path.contains(':') && is_windows_path(path)
}

/// Returns whether a path is a directory or below it.
fn is_below(path: &str, directory: &str, ignore_case: bool) -> bool {
    let windows = is_windows_path(directory) && directory.len() > 1;
    let normal = |text: &str| {
        let text = if windows { text.replace('\\', "/") } else { text.to_owned() };
        // Windows does not distinguish case, and neither does macOS by default.
        if windows || ignore_case { text.to_lowercase() } else { text }
    };
    let (path, directory) = (normal(path), normal(directory));
    path.strip_prefix(&directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || directory.ends_with('/'))
}

/// A pattern with `*`, `**`, `?` and `[…]`. A pattern that starts with a separator or a drive is matched with paths, and
/// selects everything below a match. Another pattern is matched with names.
struct Glob {
    regex: Regex,
    is_path: bool,
}

impl Glob {
    fn new(pattern: &str) -> Option<Self> {
        let is_path = is_absolute(pattern);
        let mut text = String::from(if is_path { "^(?:" } else { "^(?:.*/)?(?:" });
        let mut chars = pattern.trim_end_matches('/').chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.next_if_eq(&'*').is_some() => text.push_str(".*"),
                '*' => text.push_str(r"[^/\\]*"),
                '?' => text.push_str(r"[^/\\]"),
                '[' => {
                    let members: String = chars.by_ref().take_while(|c| *c != ']').collect();
                    let (not, members) = match members.strip_prefix(['!', '^']) {
                        Some(rest) => ("^", rest),
                        None => ("", members.as_str()),
                    };
                    text.push_str(&format!("[{not}{}]", members.replace(['\\', '[', '&', '~'], "")));
                }
                c => text.push_str(&regex::escape(&c.to_string())),
            }
        }
        text.push_str(if is_path { r")(?:[/\\].*)?$" } else { ")$" });
        let regex = RegexBuilder::new(&text).case_insensitive(true).size_limit(1 << 20).build().ok()?;
        Some(Glob { regex, is_path })
    }

    fn selects(&self, p: &ProjectRow) -> bool {
        match self.is_path {
            true => directories(p).any(|directory| self.regex.is_match(directory)),
            false => self.regex.is_match(&p.name),
        }
    }
}

/// The projects that the configuration excludes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Exclusions {
    pub names: BTreeSet<String>,
    /// Entries of the configuration that select no project, or not exactly one.
    pub unmatched: Vec<String>,
}

impl Exclusions {
    pub fn new(entries: &[String], projects: &[ProjectRow], home: &Path) -> Self {
        let mut out = Exclusions::default();
        for entry in entries {
            match select(entry, projects, home) {
                Ok(selection) => out.names.extend(selection.names),
                Err(mismatch) => {
                    out.unmatched.push(entry.clone());
                    // Until a person says which project is meant, all that could be meant stay out.
                    if let Mismatch::Ambiguous(names) | Mismatch::Shortened(names) = mismatch {
                        out.names.extend(names);
                    }
                }
            }
        }
        // A worktree of a repository that is known only by its name may belong to an excluded repository.
        let last = |path: &str| path.rsplit(['/', '\\']).next().map(str::to_owned);
        let excluded: BTreeSet<String> = projects
            .iter()
            .filter(|p| p.repository.is_none() && out.names.contains(&p.name))
            .filter_map(|p| last(&p.path))
            .collect();
        let unclear =
            projects.iter().filter(|p| p.repository.as_ref().is_some_and(|name| excluded.contains(name)));
        out.names.extend(unclear.map(|p| p.name.clone()));
        out
    }
}

/// Returns the failure for texts that select no project.
pub(crate) fn no_such_project(mismatches: &[(String, Mismatch)], projects: &[ProjectRow]) -> Failure {
    let names: Vec<&str> = projects.iter().map(|p| p.name.as_str()).collect();
    let mut sentences = Vec::new();
    let mut hints = Vec::new();
    let mut unknown = false;
    for (typed, mismatch) in mismatches {
        let shown = echo(typed);
        match mismatch {
            Mismatch::Unknown => {
                unknown = true;
                sentences.push(format!("No project matches {shown:?}."));
                hints.extend(nearest(typed, names.iter().copied()).map(|n| format!("did you mean {n}?")));
            }
            Mismatch::Ambiguous(meant) => {
                let meant: Vec<&str> = meant.iter().map(String::as_str).collect();
                sentences.push(format!("{shown:?} matches several projects: {}.", list_names(&meant)));
            }
            Mismatch::Shortened(meant) => {
                let meant: Vec<&str> = meant.iter().map(String::as_str).collect();
                sentences
                    .push(format!("{shown:?} is a shortened name. Did you mean {}?", list_names(&meant)));
            }
        }
    }
    if unknown && !names.is_empty() {
        sentences.push(format!("Projects: {}.", list_names(&names)));
    }
    let mut failure = Failure::usage("no_such_project", sentences.join(" "));
    failure.unmatched = mismatches.iter().map(|(typed, _)| typed.clone()).collect();
    failure.hints = hints;
    failure.hint(if names.is_empty() { "clawgate scan" } else { "clawgate list" })
}

impl App {
    /// Returns all projects, and whether the configuration excludes them.
    pub(crate) fn projects_in_scope(&self) -> Result<(Vec<ProjectRow>, Exclusions), Failure> {
        Ok(self.with_exclusions(self.archive.projects()?))
    }

    /// Applies the exclusions of the configuration to projects.
    pub(crate) fn with_exclusions(&self, mut projects: Vec<ProjectRow>) -> (Vec<ProjectRow>, Exclusions) {
        let exclusions = Exclusions::new(&self.config.scope.exclude, &projects, &self.ctx.env.home);
        for p in &mut projects {
            p.excluded = exclusions.names.contains(&p.name);
        }
        (projects, exclusions)
    }

    /// Returns the names of the projects that a name, path or glob selects.
    ///
    /// # Errors
    /// A usage [`Failure`] that lists the projects if none is selected, or if a beginning is that of several names.
    pub(crate) fn select_projects(&self, typed: &str) -> Result<Vec<String>, Failure> {
        let projects = self.archive.projects()?;
        match select(typed, &projects, &self.ctx.env.home) {
            Ok(selection) => Ok(selection.names),
            Err(mismatch) => Err(no_such_project(&[(typed.to_owned(), mismatch)], &projects)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(name: &str, path: &str, directories: &[&str]) -> ProjectRow {
        ProjectRow {
            name: name.to_owned(),
            path: path.to_owned(),
            directories: directories.iter().map(|d| (*d).to_owned()).collect(),
            ..ProjectRow::default()
        }
    }

    fn projects() -> Vec<ProjectRow> {
        let mut all = vec![
            project("ledger-api", "/home/ada/work/ledger-api", &["/data/wild"]),
            project("quarterly-ui", "/home/ada/clients/quarterly-ui", &[]),
            project("quarterly-service", "/home/ada/clients/deep/quarterly-service", &[]),
            project("deep/App", "/home/ada/deep/App", &[]),
            project("shop", r"C:\Users\Ada\work\shop", &[]),
        ];
        all.push(ProjectRow {
            repository: Some("ledger-api".into()),
            ..project("ledger-api (2)", "/c/44be/l", &[])
        });
        all
    }

    fn names(typed: &str) -> Result<Vec<String>, Mismatch> {
        select(typed, &projects(), Path::new("/home/ada/")).map(|s| s.names)
    }

    #[test]
    fn names_paths_and_globs_select_projects() {
        for typed in [
            "ledger-api",
            " LEDGER-API ",
            "/home/ada/work/ledger-api/",
            "/home/ada/work",
            "~/work/ledger-api",
            "/HOME/Ada/Work",
            "/data/wild",
            "/home/*/work",
        ] {
            assert_eq!(names(typed).unwrap(), ["ledger-api"], "{typed}");
        }
        let quarterly = ["quarterly-ui", "quarterly-service"];
        for typed in
            ["/home/ada/clients", "~/clients/", "quarterly-*", "QUARTERLY*", "~/clients/*", "/**/quarterly-*"]
        {
            assert_eq!(names(typed).unwrap(), quarterly, "{typed}");
        }
        assert_eq!(names("quarterly-u").unwrap(), ["quarterly-ui"]);
        assert_eq!(names("[pq]uarterly-?i").unwrap(), ["quarterly-ui"]);
        assert_eq!(names("app*").unwrap(), ["deep/App"], "the last component of a name matches too");
        assert_eq!(names("deep/").unwrap(), ["deep/App"]);
        assert_eq!(names(r"c:\users\ada\WORK").unwrap(), ["shop"]);
        assert_eq!(names("C:/Users/Ada").unwrap(), ["shop"]);
        assert_eq!(names("/").unwrap().len(), 5);
    }

    #[test]
    fn what_selects_no_project_or_an_unclear_one_is_a_mismatch() {
        for typed in
            ["", " ", "no-such", "/home/ada/clientele", "/home/ada/wor", "x*", "[", "ui", "a…z", r"C:\Us"]
        {
            assert_eq!(names(typed), Err(Mismatch::Unknown), "{typed:?}");
        }
        let both = || vec!["quarterly-ui".to_owned(), "quarterly-service".to_owned()];
        assert_eq!(names("quarterly"), Err(Mismatch::Ambiguous(both())));
        assert_eq!(names("quarter…"), Err(Mismatch::Shortened(both())));
        assert_eq!(names("quarter...ui"), Err(Mismatch::Shortened(vec!["quarterly-ui".to_owned()])));
    }

    #[test]
    fn the_configuration_gets_complete_names_and_absolute_paths() {
        let entry = |typed: &str| select(typed, &projects(), Path::new("/home/ada")).unwrap().entry;
        assert_eq!(entry("Quarterly-U"), "quarterly-ui");
        assert_eq!(entry("~/clients/"), "/home/ada/clients");
        assert_eq!(entry("~/clients/*"), "/home/ada/clients/*");
    }

    #[test]
    fn unclear_exclusions_exclude_all_that_could_be_meant() {
        let entries = |e: &[&str]| e.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>();
        let found = Exclusions::new(&entries(&["quarterly", "gone"]), &projects(), Path::new("/home/ada"));
        assert_eq!(found.names.len(), 2);
        assert_eq!(found.unmatched, ["quarterly", "gone"]);
        let found = Exclusions::new(&entries(&["~/work"]), &projects(), Path::new("/home/ada"));
        assert_eq!(found.names.iter().collect::<Vec<_>>(), ["ledger-api", "ledger-api (2)"]);
        assert!(found.unmatched.is_empty());
    }

    #[test]
    fn the_failure_names_what_is_unknown_and_what_could_be_meant() {
        let mismatches = [("ledger-apu".to_owned(), Mismatch::Unknown)];
        let f = no_such_project(&mismatches, &projects());
        assert_eq!((f.code.as_str(), f.exit_code()), ("no_such_project", 2));
        assert!(f.message.contains("\"ledger-apu\"") && f.message.contains("deep/App"), "{f}");
        assert_eq!(f.hints[0], "did you mean ledger-api?");
        assert_eq!(*f.unmatched, ["ledger-apu"]);
    }
}
