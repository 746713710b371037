//! Which module imports which, read from the text of the production code.
//!
//! It reads `use` declarations and the paths `crate::…`, `super::…`, `self::…` and `child::…`. A re-exported name counts
//! for the module that defines it. Method calls name no module, so they are not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The segments of a path below the crate root.
pub type ModulePath = Vec<String>;

/// The modules of the crate, and what each one imports.
pub struct Imports {
    modules: BTreeMap<ModulePath, Module>,
}

#[derive(Default)]
struct Module {
    /// Every name that a `use` declaration brings into the module, with its path.
    names: BTreeMap<String, ModulePath>,
    /// Every path that the module's code names.
    paths: BTreeSet<ModulePath>,
}

/// One module imports another.
pub type Edge = (ModulePath, ModulePath);

impl Imports {
    /// Reads files, given by path (from the package's root) and production code.
    pub fn read(files: &[(impl AsRef<Path>, String)]) -> Self {
        let paths: BTreeSet<ModulePath> = files.iter().map(|(path, _)| module_path(path.as_ref())).collect();
        let module = |(path, code): &(_, String)| {
            let path = module_path(AsRef::<Path>::as_ref(path));
            let module = Reader { module: &path, modules: &paths, out: Module::default() }.read(code);
            (path, module)
        };
        Imports { modules: files.iter().map(module).collect() }
    }

    /// Every import of one module by another. A module's use of its ancestors is left out: a `mod.rs` and the files of
    /// its folder belong together.
    pub fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for (from, module) in &self.modules {
            for path in &module.paths {
                let to = self.defining_module(path, 0);
                if !from.starts_with(&to) {
                    edges.insert((from.clone(), to));
                }
            }
        }
        edges
    }

    /// The module that defines what a path names, through re-exports.
    fn defining_module(&self, path: &[String], depth: usize) -> ModulePath {
        let length = (0..=path.len()).rev().find(|n| self.modules.contains_key(&path[..*n])).unwrap_or(0);
        let (module, rest) = path.split_at(length);
        let reexport = rest.first().and_then(|name| self.modules.get(module)?.names.get(name));
        match reexport {
            // Two modules may re-export each other's names; the depth ends that.
            Some(target) if depth < 8 && target != path => {
                self.defining_module(&[target, &rest[1..]].concat(), depth + 1)
            }
            _ => module.to_vec(),
        }
    }
}

/// Groups of modules in which each one reaches every other one; only groups of two and more.
pub fn circles(edges: &BTreeSet<Edge>) -> Vec<BTreeSet<ModulePath>> {
    let mut next: BTreeMap<&ModulePath, Vec<&ModulePath>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let reachable = |from: &ModulePath| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            for to in next.get(module).into_iter().flatten() {
                if seen.insert((*to).clone()) {
                    open.push(to);
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&ModulePath, BTreeSet<ModulePath>> =
        next.keys().map(|m| (*m, reachable(m))).collect();
    let circle = |module: &ModulePath| -> BTreeSet<ModulePath> {
        let back = |to: &&ModulePath| reach.get(to).is_some_and(|r| r.contains(module));
        reach[module].iter().filter(back).cloned().collect()
    };
    let all: BTreeSet<_> = next.keys().map(|m| circle(m)).filter(|c| c.len() > 1).collect();
    all.into_iter().collect()
}

/// The module of a file: `src/app/scan/mod.rs` is `app::scan`, `src/lib.rs` and `src/main.rs` are the root.
pub fn module_path(file: &Path) -> ModulePath {
    let mut path: ModulePath =
        file.with_extension("").iter().skip(1).map(|p| p.to_string_lossy().into_owned()).collect();
    if path.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        path.pop();
    }
    path
}

struct Reader<'a> {
    module: &'a [String],
    modules: &'a BTreeSet<ModulePath>,
    out: Module,
}

impl Reader<'_> {
    fn read(mut self, code: &str) -> Module {
        let tokens = tokens(code);
        let mut at = 0;
        while at < tokens.len() {
            match tokens[at].as_str() {
                "use" => {
                    at += 1;
                    self.use_tree(&tokens, &mut at, &[]);
                }
                token if is_name(token) && (at == 0 || tokens[at - 1] != "::") => {
                    let mut path = vec![token.to_owned()];
                    while tokens.get(at + 1).is_some_and(|t| t == "::")
                        && let Some(name) = tokens.get(at + 2).filter(|t| is_name(t))
                    {
                        path.push(name.clone());
                        at += 2;
                    }
                    if path.len() > 1 {
                        self.out.paths.extend(self.absolute(&path));
                    }
                    at += 1;
                }
                _ => at += 1,
            }
        }
        self.out
    }

    /// Reads one tree of a `use` declaration, and leaves `at` after it.
    fn use_tree(&mut self, tokens: &[String], at: &mut usize, prefix: &[String]) {
        let mut path = prefix.to_vec();
        while let Some(token) = tokens.get(*at).map(String::as_str) {
            *at += 1;
            match token {
                "::" => {}
                "{" => {
                    while tokens.get(*at).is_some_and(|t| t != "}") {
                        if tokens[*at] == "," {
                            *at += 1;
                        } else {
                            self.use_tree(tokens, at, &path);
                        }
                    }
                    *at += 1;
                    return;
                }
                "as" => {
                    let name = tokens.get(*at).cloned().unwrap_or_default();
                    *at += 1;
                    self.import(&path, name);
                    return;
                }
                "*" => {
                    self.import(&path, "*".to_owned());
                    return;
                }
                name if is_name(name) => {
                    if name != "self" || path.is_empty() {
                        path.push(name.to_owned());
                    }
                    let ends = tokens.get(*at).is_none_or(|t| matches!(t.as_str(), ";" | "," | "}"));
                    if ends {
                        let name = path.last().cloned().unwrap_or_default();
                        self.import(&path, name);
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    fn import(&mut self, path: &[String], name: String) {
        if let Some(path) = self.absolute(path) {
            self.out.paths.insert(path.clone());
            self.out.names.insert(name, path);
        }
    }

    /// A path from the crate root; `None` for a path into another crate or of a local name.
    fn absolute(&self, path: &[String]) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([self.module, rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|s| *s == "super").count();
                let base = self.module.get(..self.module.len().checked_sub(ups)?)?;
                Some([base, &path[ups..]].concat())
            }
            _ => {
                let child = [self.module, &path[..1]].concat();
                self.modules.contains(&child).then(|| [self.module, path].concat())
            }
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The names and signs of code, without strings, characters and comments.
fn tokens(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let end = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r\"") {
            raw.find('"').map_or(rest.len(), |n| n + 3)
        } else if rest.starts_with("r#") && rest[1..].trim_start_matches('#').starts_with('"') {
            let hashes = rest[1..].bytes().take_while(|b| *b == b'#').count();
            let close = format!("\"{}", "#".repeat(hashes));
            rest[hashes + 2..].find(&close).map_or(rest.len(), |n| n + hashes + 2 + close.len())
        } else if c == '"' {
            string_end(rest)
        } else if c == '\'' {
            char_end(rest)
        } else if is_name(&rest[..c.len_utf8()]) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            out.push(rest[..end].to_owned());
            end
        } else if rest.starts_with("::") {
            out.push("::".to_owned());
            2
        } else {
            if !c.is_whitespace() {
                out.push(c.to_string());
            }
            c.len_utf8()
        };
        rest = &rest[end..];
    }
    out
}

/// The length of the string literal at the start.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character literal at the start, or of the sign of a lifetime.
fn char_end(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => text[3..].find('\'').map_or(1, |n| n + 4),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[test]
fn imports_are_found_in_every_form_of_a_path() {
    let files = [
        ("src/store/mod.rs", "mod archive; mod ledger; pub use archive::{Archive, Row as ArchiveRow};"),
        ("src/store/archive.rs", "use super::ledger::{self, Line};\nuse std::fs;\nfn f() {}"),
        ("src/store/ledger/mod.rs", "mod read; fn f() { read::all(); }\nlet text = \"crate::gate::Keys\";"),
        (
            "src/store/ledger/read.rs",
            "use crate::store::{ArchiveRow};\n// crate::gate::Keys\nfn f() { super::x() }",
        ),
        (
            "src/gate/mod.rs",
            "fn f(a: &'a crate::store::ArchiveRow) -> char { '\"' }\nuse crate::store::archive::*;",
        ),
    ];
    let edges = Imports::read(&files.map(|(path, code)| (path, code.to_owned()))).edges();
    let found: Vec<String> =
        edges.iter().map(|(a, b)| format!("{} {}", a.join("::"), b.join("::"))).collect();
    assert_eq!(
        found,
        [
            "gate store::archive",
            "store store::archive",
            "store::archive store::ledger",
            "store::ledger store::ledger::read",
            "store::ledger::read store::archive",
        ]
    );
    let circles = circles(&edges);
    let names: Vec<Vec<String>> = circles.iter().map(|c| c.iter().map(|m| m.join("::")).collect()).collect();
    assert_eq!(names, [["store::archive", "store::ledger", "store::ledger::read"]]);
}
