//! The house keeps its rules: floors, registration, size, and nothing that panics outside tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module and floor. A module imports from lower floors only.
const FLOORS: &[(&str, u8)] = &[
    // for tests only
    ("testing", 0),
    ("trace", 0),
    ("rules", 1),
    ("pricing", 1),
    ("redact", 2),
    ("sources", 2),
    ("usage", 2),
    ("workflow", 2),
    ("export", 3),
    ("store", 3),
    ("gate", 4),
    ("monitor", 4),
    ("publish", 5),
    ("app", 6),
    ("cli", 7),
    ("mcp", 7),
    ("web", 7),
];

/// No file is longer.
const MOST_LINES: usize = 800;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below a directory, with their text.
fn rust_files(dir: &str) -> Vec<(PathBuf, String)> {
    let mut out = Vec::new();
    for entry in walkdir::WalkDir::new(root().join(dir)).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            out.push((path.strip_prefix(root()).unwrap().to_owned(), text));
        }
    }
    out
}

/// The module of the house that a file belongs to; none for `lib.rs` and `main.rs`.
fn module(path: &Path) -> Option<String> {
    let mut parts = path.iter().skip(1).map(|p| p.to_string_lossy().into_owned());
    let first = parts.next()?;
    (parts.next().is_some() || !first.ends_with(".rs")).then_some(first)
}

/// A file's own code: without what stands under `#[cfg(test)]` and without comment lines.
fn own_code(text: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((i, line)) = lines.next() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("//") {
            continue;
        }
        if trimmed.starts_with("#[cfg(test)]") {
            // The item below ends where its own indentation comes back, or with its one line.
            let indent = line.len() - trimmed.len();
            for (_, line) in lines.by_ref() {
                let inner = line.trim_start();
                let at = line.len() - inner.len();
                if at == indent && (inner.ends_with(';') || inner.ends_with('}')) {
                    break;
                }
            }
            continue;
        }
        out.push((i + 1, line));
    }
    out
}

/// Files that are compiled for tests only: declared under `#[cfg(test)]` in the module above them.
fn test_only(files: &[(PathBuf, String)]) -> BTreeSet<PathBuf> {
    let mut out = BTreeSet::new();
    for (path, text) in files {
        for rest in text.split("#[cfg(test)]\n").skip(1) {
            let rest = rest.strip_prefix("#[path = ").map_or(rest, |r| r.split_once('\n').map_or(r, |p| p.1));
            let Some(name) = rest.trim_start_matches("pub(crate) ").strip_prefix("mod ") else { continue };
            let Some((name, after)) = name.split_once(';') else { continue };
            if after.starts_with('\n') || after.is_empty() {
                let dir = path.parent().unwrap();
                out.insert(dir.join(format!("{name}.rs")));
                out.insert(path.with_extension("").join(format!("{name}.rs")));
                out.insert(dir.join(format!("{}_{name}.rs", path.file_stem().unwrap().to_string_lossy())));
            }
        }
    }
    out
}

/// The modules that a line names with `crate::`.
fn imports(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split([',', '}']).map(str::trim).collect(),
            None => vec![rest],
        };
        for name in names {
            let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                out.push(name);
            }
        }
    }
    out
}

/// Why a line of a module is not allowed, if so.
fn wrong(floors: &BTreeMap<&str, u8>, module: &str, line: &str) -> Option<String> {
    imports(line).into_iter().filter(|to| to != module).find_map(|to| match floors.get(to.as_str()) {
        Some(floor) if *floor < floors[module] => None,
        Some(floor) => Some(format!("{module} (floor {}) imports {to} (floor {floor})", floors[module])),
        None => Some(format!("{module} imports {to}, which has no floor")),
    })
}

#[test]
fn modules_import_from_lower_floors_only() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut bad = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in rust_files("src") {
        let Some(module) = module(&path) else { continue };
        assert!(floors.contains_key(module.as_str()), "{module} has no floor");
        for (n, line) in own_code(&text) {
            bad.extend(wrong(&floors, &module, line).map(|why| format!("{}:{n}: {why}", path.display())));
        }
        seen.insert(module);
    }
    assert!(seen.len() >= 12, "only {seen:?} was looked at");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn the_floor_test_can_fail() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    for (module, line) in [
        ("store", "use crate::app::App;"),
        ("cli", "    crate::mcp::serve(env)"),
        ("redact", "use crate::{rules::Engine, usage::Report};"),
        ("gate", "use crate::nowhere::X;"),
    ] {
        assert!(wrong(&floors, module, line).is_some(), "{line}");
    }
    for (module, line) in
        [("app", "use crate::{gate::Keys, store::Archive};"), ("cli", "use crate::cli::face::End;")]
    {
        assert_eq!(wrong(&floors, module, line), None);
    }
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = ["src", "tests", "benches"]
        .into_iter()
        .filter(|dir| root().join(dir).is_dir())
        .flat_map(rust_files)
        .filter(|(_, text)| text.lines().count() > MOST_LINES)
        .map(|(path, text)| format!("{}: {} lines", path.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_file_is_registered() {
    // (folder, file that registers, what registers one more of it)
    type Line = fn(&str) -> Vec<String>;
    let places: &[(&str, &str, Line)] = &[
        ("tests/it", "tests/it/main.rs", |name| vec![format!("mod {name};")]),
        ("src/cli/commands", "src/cli/commands/mod.rs", |name| {
            vec![format!("mod {name};"), format!("=> {name},")]
        }),
        ("src/mcp/tools", "src/mcp/tools/mod.rs", |name| vec![format!("mod {name};"), format!("{name}::")]),
        ("src/sources", "src/sources/mod.rs", |name| vec![format!("mod {name};")]),
        ("src/export", "src/export/mod.rs", |name| vec![format!("mod {name};")]),
    ];
    let mut looked = 0;
    for (folder, registry, lines) in places {
        let dir = root().join(folder);
        if !dir.is_dir() {
            continue;
        }
        let text = fs::read_to_string(root().join(registry)).unwrap();
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let counts = path.is_dir() || path.extension().is_some_and(|e| e == "rs");
            if !counts || matches!(name.as_str(), "mod" | "main" | "snapshots") {
                continue;
            }
            looked += 1;
            for line in lines(&name) {
                assert!(
                    text.contains(&line),
                    "{folder}/{name} is not registered in {registry}: `{line}` is missing"
                );
            }
        }
    }
    assert!(looked > 30, "only {looked} files were looked at");
}

#[test]
fn every_agent_is_in_the_registry_once() {
    let agents: Vec<&str> = clawgate::sources::REGISTRY.iter().map(|s| s.agent()).collect();
    let unique: BTreeSet<&str> = agents.iter().copied().collect();
    assert_eq!(agents.len(), unique.len(), "{agents:?}");
    for agent in agents {
        let there = ["src/sources/{}.rs", "src/sources/{}/mod.rs"]
            .map(|p| root().join(p.replace("{}", &agent.replace('-', "_"))));
        assert!(there.iter().any(|p| p.is_file()), "{agent} has no file of its own");
    }
}

#[test]
fn nothing_panics_outside_tests() {
    let mut bad = Vec::new();
    let files = rust_files("src");
    let tests = test_only(&files);
    for (path, text) in files.into_iter().filter(|(path, _)| !tests.contains(path)) {
        for (n, line) in own_code(&text) {
            let what = [".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!(", "unimplemented!("];
            if let Some(what) = what.iter().find(|w| line.contains(**w)) {
                bad.push(format!("{}:{n}: {what}", path.display()));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn what_stands_under_cfg_test_is_left_out_and_nothing_else() {
    let text = "fn a() {}\n    #[cfg(test)]\n    pub fn b() {\n        x.unwrap();\n    }\n// c\nfn d() {}\n#[cfg(test)]\nmod tests {\n    use x;\n}\nfn e() {}\n";
    let code: Vec<&str> = own_code(text).into_iter().map(|(_, l)| l).collect();
    assert_eq!(code, ["fn a() {}", "fn d() {}", "fn e() {}"]);
}

#[test]
fn every_module_file_says_what_it_owns() {
    let files = rust_files("src");
    let tests = test_only(&files);
    let bare: Vec<String> = files
        .into_iter()
        .filter(|(path, text)| !tests.contains(path) && !text.starts_with("//!"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(bare.is_empty(), "no //! at the start of: {}", bare.join(", "));
}
