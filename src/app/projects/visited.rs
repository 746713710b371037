//! Directories that sessions changed into after they started in another one. No project has their path.

use std::collections::{BTreeSet, HashSet};

use crate::trace::{
    MORE_DIRECTORIES, is_below, is_root_or_home, is_windows_path, last_component, normal_directory,
};

use super::glob::fold;
use super::known::{Candidate, Known, Projects, Visited};

impl<'a> Projects<'a> {
    /// Adds directories in which sessions worked that began in another one.
    pub fn with_visited(mut self, directories: &[String]) -> Self {
        let known = directories.iter().filter(|path| *path != MORE_DIRECTORIES);
        self.visited = known.map(|path| Visited::new(path)).collect();
        self.is_cut = directories.iter().any(|path| path == MORE_DIRECTORIES);
        self
    }

    /// Returns the visited directories that belong to no project, without those below another one of them, as the archive
    /// contains them. `excluded` are left out.
    pub fn visited_elsewhere(&self, excluded: &BTreeSet<String>) -> BTreeSet<String> {
        let home = comparable(&normal_directory(&self.home.to_string_lossy()));
        let is_alone = |path: &str| path == home || is_root_or_home(path);
        let directories = self.known.iter().flat_map(|p| &p.directories);
        let mut above: HashSet<String> = directories.map(|path| comparable(path)).collect();
        let names: HashSet<String> = self
            .known
            .iter()
            .filter_map(|p| p.directories.first())
            .map(|path| fold(last_component(path)))
            .collect();
        // Nothing is below a root or a home directory in this sense.
        let is_inside = |above: &HashSet<String>, path: &str| {
            let path = comparable(path);
            let ends = path.match_indices('/').map(|(n, _)| n);
            let parents = ends.filter_map(|n| path.get(..n)).filter(|part| !is_alone(part));
            above.contains(&path) || parents.into_iter().any(|part| above.contains(part))
        };
        let mut found: Vec<&Visited> = self
            .visited
            .iter()
            .filter(|v| !excluded.contains(&v.recorded))
            .filter(|v| !v.any_directory(&|d| is_inside(&above, d)))
            .filter(|v| !v.repositories.iter().any(|name| names.contains(name)))
            .collect();
        // What is above comes before what is below it.
        found.sort_by(|a, b| a.path().cmp(b.path()));
        let mut top = BTreeSet::new();
        for v in found {
            if !is_inside(&above, v.path()) {
                above.insert(comparable(v.path()));
                top.insert(v.recorded.clone());
            }
        }
        top
    }

    /// Returns the names and paths under which a visited directory can be selected.
    pub(super) fn names_of_visited(&self) -> BTreeSet<String> {
        let names = self.visited.iter().flat_map(|v| self.names_in(v)).map(str::to_owned);
        names.chain(self.visited.iter().map(|v| v.path().to_owned())).collect()
    }

    /// Returns the visited directories for which `fits` is true, as the archive contains them.
    pub(super) fn visited_where(&self, fits: &dyn Fn(&Visited) -> bool) -> BTreeSet<String> {
        self.visited.iter().filter(|v| fits(v)).map(|v| v.recorded.clone()).collect()
    }

    /// Returns the visited directories that belong to these projects.
    pub(super) fn visited_in(&self, projects: &[&Known<'a>]) -> BTreeSet<String> {
        let belongs = |v: &Visited, p: &Known<'_>| {
            let last = p.directories.first().map(|path| fold(last_component(path)));
            v.any_directory(&|d| p.directories.iter().any(|project| self.is_part_of(d, project)))
                || last.is_some_and(|name| v.repositories.contains(&name))
        };
        self.visited_where(&|v| projects.iter().any(|p| belongs(v, p)))
    }

    /// Whether a session that began elsewhere worked in a directory or below it.
    pub(super) fn was_visited(&self, path: &str) -> bool {
        self.visited.iter().any(|v| v.any_directory(&|d| is_below(d, path, false)))
    }

    /// Returns the names of the directories on the path of a visited directory, up to the home directory, and the names of
    /// its repository.
    pub(super) fn names_in<'v>(&self, v: &'v Visited) -> impl Iterator<Item = &'v str> + use<'v> {
        let home = normal_directory(&self.home.to_string_lossy());
        let of = |path: &'v str| {
            let ends = path.char_indices().filter(|(_, c)| matches!(c, '/' | '\\')).map(|(i, _)| i);
            let below = ends.chain([path.len()]).filter_map(|end| path.get(..end));
            let above = |part: &&str| part.is_empty() || is_root_or_home(part) || is_below(&home, part, true);
            let names = below.filter(|part| !above(part)).map(last_component);
            names.collect::<Vec<_>>()
        };
        let directories: Vec<&str> = v.directories.iter().flat_map(|path| of(path)).collect();
        directories.into_iter().chain(v.repositories.iter().map(String::as_str))
    }

    /// Returns the directories of this folded name in which or below which a session worked, unless they belong to one of these
    /// projects.
    pub(super) fn visited_named(&self, folded: &str, projects: &[&Known<'a>]) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        for path in self.visited.iter().flat_map(|v| &v.directories) {
            let is_known = projects.iter().any(|p| p.directories.iter().any(|d| self.is_part_of(path, d)));
            if is_known {
                continue;
            }
            for (end, _) in path.match_indices(['/', '\\']).chain([(path.len(), "")]) {
                let Some(part) = path.get(..end) else { continue };
                let is_named = fold(last_component(part)) == folded;
                if is_named && !is_root_or_home(part) && !found.iter().any(|c| c.path == part) {
                    found.push(Candidate { name: part.to_owned(), path: part.to_owned() });
                }
            }
        }
        found
    }
}

/// Returns a directory as it is compared without case, with the separators of other systems.
fn comparable(path: &str) -> String {
    let path = path.to_lowercase();
    if is_windows_path(&path) { path.replace('\\', "/") } else { path }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::app::config::Excluded;
    use crate::app::projects::Mismatch;
    use crate::store::ProjectRow;

    fn excluded(what: &Excluded) -> Vec<String> {
        let project = |name: &str, path: &str| ProjectRow {
            name: name.to_owned(),
            path: path.to_owned(),
            ..ProjectRow::default()
        };
        let rows = [
            project("app", "/home/ada/app"),
            project("ledger", "/home/ada/work/ledger"),
            project("ada", "/home/ada"),
        ];
        let visited = [
            "/home/ada",
            "/home/ada/clients/Zorga/src",
            "/home/ada/work/ledger/src",
            "/home/ada/work/ledger.worktrees/fix",
            "/home/ada/.codex/worktrees/44be/ledger",
            "/home/ada/app/docs",
        ]
        .map(str::to_owned);
        let projects = Projects::new(&rows, Path::new("/home/ada")).with_visited(&visited);
        projects.covered_by(what).visited.into_iter().collect()
    }

    #[test]
    fn an_exclusion_covers_the_directories_of_its_projects() {
        let ledger = [
            "/home/ada/work/ledger/src",
            "/home/ada/work/ledger.worktrees/fix",
            "/home/ada/.codex/worktrees/44be/ledger",
        ];
        let of = |what: Excluded| {
            let mut found = excluded(&what);
            found.sort_by_key(|path| ledger.iter().position(|l| l == path));
            found
        };
        let entry = |path: &str| Excluded::Project { name: String::new(), path: path.to_owned() };
        assert_eq!(of(entry("/home/ada/work/ledger")), ledger);
        assert_eq!(of(Excluded::Name("LEDGER".into())), ledger);
        assert_eq!(of(Excluded::Pattern("/home/ada/work".into())), ledger);
        assert_eq!(of(Excluded::Pattern("ledg*".into())), ledger);
        assert_eq!(of(entry("/home/ada")), ["/home/ada"], "not what is below the home directory");
    }

    #[test]
    fn an_exclusion_covers_directories_that_are_in_no_project() {
        let zorga = ["/home/ada/clients/Zorga/src"];
        let visited = [
            r"/mnt/c/Users/ada/clients/zorga",
            r"/c/Users/ada/clients/zorga/src",
            r"\\localhost\C$\Users\ada\clients\zorga",
            "ssh://box/Users/ada/clients/zorga",
        ]
        .map(str::to_owned);
        let projects = Projects::new(&[], Path::new("/home/ada")).with_visited(&visited);
        for pattern in [r"C:\Users\ada\clients\zorga", "c:/users/ada/clients", "/mnt/c/Users/ada/clients"] {
            let count = projects.covered_by(&Excluded::Pattern(pattern.into())).visited.len();
            assert!(count >= 3 && (count == 4 || pattern.starts_with('/')), "{pattern} {count}");
            assert!(projects.exclude(pattern).is_ok(), "{pattern}");
        }
        for pattern in ["/home/ada/clients", "~/clients/zorga", "/home/*/clients", "zor*", "client?"] {
            assert_eq!(excluded(&Excluded::Pattern(pattern.into())), zorga, "{pattern}");
        }
        for pattern in ["/home/ada/client", "ad*", "hom*"] {
            assert!(
                !excluded(&Excluded::Pattern(pattern.into())).contains(&zorga[0].to_owned()),
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_visited_directory_elsewhere_is_in_no_project_and_below_no_other_one() {
        let row = ProjectRow { name: "app".into(), path: "/home/ada/app".into(), ..ProjectRow::default() };
        let visited = [
            "/home/ada/app/src",
            "/home/ada/clients/zorga",
            "/home/ada/clients/zorga/src",
            "/home/ada/clients/zorga2",
            "/home/ada",
            "/srv/x",
            MORE_DIRECTORIES,
        ]
        .map(str::to_owned);
        let rows = [row];
        let projects = Projects::new(&rows, Path::new("/home/ada")).with_visited(&visited);
        let found = projects.visited_elsewhere(&BTreeSet::from(["/srv/x".to_owned()]));
        let expected = ["/home/ada", "/home/ada/clients/zorga", "/home/ada/clients/zorga2"];
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_unknown_path_can_be_excluded_while_a_session_worked_in_too_many_directories() {
        let what = Excluded::Pattern("/home/ada/clients/zorga".into());
        for (directory, is_cut) in [("/srv/x", false), (MORE_DIRECTORIES, true)] {
            let visited = [directory.to_owned()];
            let projects = Projects::new(&[], Path::new("/home/ada")).with_visited(&visited);
            assert_eq!(projects.exclude("/home/ada/clients/zorga/").is_ok(), is_cut);
            assert_eq!(projects.covered_by(&what).is_clear, is_cut);
            assert_eq!(projects.exclude("zorga"), Err(Mismatch::Unknown), "a name says no place");
        }
    }

    #[test]
    fn a_name_that_only_a_visited_directory_has_becomes_its_path() {
        let visited = ["/home/ada/clients/Zorga/src", "/home/ada/clients/Zorga", "/x/src"].map(str::to_owned);
        let projects = Projects::new(&[], Path::new("/home/ada")).with_visited(&visited);
        let zorga = Excluded::Pattern("/home/ada/clients/Zorga".into());
        assert_eq!(projects.exclude("zorga").unwrap(), std::slice::from_ref(&zorga));
        assert_eq!(projects.exclude("~/Clients/zorga/").unwrap(), [zorga]);
        assert!(matches!(projects.exclude("src"), Err(Mismatch::Ambiguous(found)) if found.len() == 2));
        assert_eq!(projects.exclude("ada"), Err(Mismatch::Unknown), "a home directory");
    }

    #[test]
    fn a_visited_directory_with_the_typed_name_is_never_passed_over_for_a_project() {
        let project = |name: &str, path: &str| ProjectRow {
            name: name.to_owned(),
            path: path.to_owned(),
            ..ProjectRow::default()
        };
        let visited = ["/home/ada/clients/zorga".to_owned(), "/home/ada/oss/zorga-docs/src".to_owned()];
        let exclude = |rows: &[ProjectRow]| {
            Projects::new(rows, Path::new("/home/ada")).with_visited(&visited).exclude("zorga")
        };
        let longer = exclude(&[project("zorga-docs", "/home/ada/oss/zorga-docs")]);
        assert_eq!(longer.unwrap(), [Excluded::Pattern("/home/ada/clients/zorga".into())]);
        let same = exclude(&[project("zorga", "/home/ada/old/zorga")]);
        assert!(matches!(same, Err(Mismatch::Ambiguous(found)) if found.len() == 2));
        let own = exclude(&[project("zorga", "/home/ada/clients/zorga")]);
        assert!(matches!(&own.unwrap()[..], [Excluded::Project { .. }]));
    }
}
