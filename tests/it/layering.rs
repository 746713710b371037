//! The rules of the source tree: layers, areas, import circles, registration, file length, and no panics.
//!
//! Each rule is a function that returns what breaks it. One test applies the rule to the tree, a second one shows that
//! the rule can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::imports::{Edge, Imports, circles};

/// The layer of each module. A module imports from lower layers only.
const LAYERS: &[(&str, u8)] = &[
    // Compiled for tests only.
    ("testing", 0),
    ("platform", 0),
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
    ("publish", 5),
    ("app", 6),
    ("cli", 7),
    ("mcp", 7),
    ("web", 7),
];

/// The areas of `app`, and the other areas that each one may import.
const APP_AREAS: &[(&str, &[&str])] = &[
    ("failure", &[]),
    ("cache", &[]),
    ("text", &["failure"]),
    ("agents", &["failure", "text"]),
    ("fs", &["failure"]),
    ("http", &["failure"]),
    ("random", &["failure"]),
    ("shell", &[]),
    ("install", &["failure", "fs", "shell", "text"]),
    // `Context` and `App` hold the configuration, and the configuration is read when `App` is opened.
    ("context", &["cache", "config", "failure", "fs"]),
    ("config", &["agents", "failure", "fs", "text"]),
    ("pool", &["config", "context", "failure"]),
    ("projects", &["config", "context", "failure", "fs", "shell", "text"]),
    ("audit", &["context", "failure", "fs"]),
    ("environment", &["context", "shell", "text"]),
    ("doctor", &["audit", "context", "failure", "shell", "text"]),
    ("status", &["context", "failure"]),
    ("time_zone", &["config", "context", "failure", "text"]),
    ("scan", &["agents", "context", "failure", "fs", "text"]),
    ("redaction", &["config", "context", "failure"]),
    (
        "sessions",
        &[
            "agents",
            "config",
            "context",
            "failure",
            "projects",
            "random",
            "redaction",
            "scan",
            "shell",
            "text",
        ],
    ),
    ("release", &["audit", "config", "context", "environment", "failure", "fs", "random", "scan", "text"]),
    ("cost", &["config", "context", "failure", "fs", "http", "projects", "random", "scan", "text"]),
    ("server_token", &["cost", "failure", "fs", "random"]),
];

const MAX_FILE_LINES: usize = 800;

/// A folder with one file per command, tool, page, agent or part, and the lines that add a file to the program.
struct Registry {
    folder: &'static str,
    file: &'static str,
    lines: fn(&str) -> Vec<String>,
}

const REGISTRIES: &[Registry] = &[
    Registry { folder: "tests/it", file: "tests/it/main.rs", lines: |name| vec![format!("mod {name};")] },
    Registry {
        folder: "src/cli/commands",
        file: "src/cli/commands/mod.rs",
        lines: |name| vec![format!("mod {name};"), format!("=> {name},")],
    },
    Registry {
        folder: "src/cli/commands/cost",
        file: "src/cli/commands/cost/mod.rs",
        lines: |name| vec![format!("mod {name};"), format!("{name}::")],
    },
    Registry {
        folder: "src/mcp/tools",
        file: "src/mcp/tools/mod.rs",
        lines: |name| vec![format!("mod {name};"), format!("tool::<{name}::")],
    },
    Registry {
        folder: "src/web/routes",
        file: "src/web/routes/mod.rs",
        lines: |name| vec![format!("mod {name};"), format!(", {name}::")],
    },
    Registry {
        folder: "src/app/install/agents",
        file: "src/app/install/agents/mod.rs",
        lines: |name| vec![format!("mod {name};"), format!("&{name}::")],
    },
    Registry {
        folder: "src/sources",
        file: "src/sources/mod.rs",
        lines: |name| vec![format!("mod {name};")],
    },
    Registry { folder: "src/export", file: "src/export/mod.rs", lines: |name| vec![format!("mod {name};")] },
];

/// A file of the package: its path from the package's root, and its text.
type File = (PathBuf, String);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &str) -> Vec<File> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(root().join(dir)).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path.strip_prefix(root()).unwrap().to_owned(), text));
        }
    }
    files
}

/// The files below `src` that are compiled into the program.
fn production_files() -> Vec<File> {
    let mut files = rust_files("src");
    let tests = test_files(&files);
    files.retain(|(path, _)| !tests.contains(path));
    files
}

/// Files as the text of one test: path and code.
fn files(list: &[(&str, &str)]) -> Vec<File> {
    list.iter().map(|(path, code)| (PathBuf::from(path), (*code).to_owned())).collect()
}

/// The lines of a file with their numbers, without comment lines and without items under `#[cfg(test)]`.
fn production_lines(text: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((i, line)) = lines.next() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("//") {
            continue;
        }
        if trimmed.starts_with("#[cfg(test)]") {
            // rustfmt ends the item at its own indentation: with a brace, or with a semicolon on its only line.
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

/// Files that a parent module declares under `#[cfg(test)]`.
fn test_files(files: &[File]) -> BTreeSet<PathBuf> {
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

fn edges(files: &[File]) -> BTreeSet<Edge> {
    let code =
        |text: &str| production_lines(text).iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
    let code: Vec<File> = files.iter().map(|(path, text)| (path.clone(), code(text))).collect();
    Imports::read(&code).edges()
}

fn layer_faults(edges: &BTreeSet<Edge>) -> Vec<String> {
    let layers: BTreeMap<&str, u8> = LAYERS.iter().copied().collect();
    let fault = |(from, to): &Edge| {
        // The root declares the modules, and its files are the edge.
        let (Some(a), Some(b)) = (from.first(), to.first()) else { return None };
        let (la, lb) = (layers.get(a.as_str()), layers.get(b.as_str()));
        match (la, lb) {
            _ if a == b => None,
            (Some(la), Some(lb)) if lb < la => None,
            (Some(la), Some(lb)) => {
                Some(format!("{} (layer {la}) imports {} (layer {lb})", from.join("::"), to.join("::")))
            }
            (None, _) => Some(format!("{a} has no layer")),
            (_, None) => Some(format!("{b} has no layer")),
        }
    };
    edges.iter().filter_map(fault).collect()
}

#[test]
fn modules_import_from_lower_layers_only() {
    let edges = edges(&production_files());
    let modules: BTreeSet<&String> = edges.iter().filter_map(|(from, _)| from.first()).collect();
    assert!(modules.len() >= 12, "only {modules:?} was read");
    let faults = layer_faults(&edges);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_layer_rule_can_fail() {
    for (path, code) in [
        ("src/store/x.rs", "use crate::app::App;"),
        ("src/cli/x.rs", "fn f() { crate::mcp::serve(env) }"),
        ("src/redact/x.rs", "use crate::{rules::Engine, usage::Report};"),
        ("src/gate/x.rs", "use crate::unknown::X;"),
        ("src/unknown/x.rs", "use crate::trace::X;"),
    ] {
        let tree = ["app", "mcp", "rules", "usage", "trace", "unknown"].map(|m| format!("src/{m}/mod.rs"));
        let mut tree: Vec<(&str, &str)> = tree.iter().map(|path| (path.as_str(), "")).collect();
        tree.push((path, code));
        assert_eq!(layer_faults(&edges(&files(&tree))).len(), 1, "{code}");
    }
    let good = files(&[
        ("src/app/mod.rs", "use crate::{gate::Keys, store::Archive};"),
        ("src/gate/mod.rs", "#[cfg(test)]\nuse crate::app::App;\n// crate::cli::run"),
        ("src/store/mod.rs", ""),
        ("src/cli/mod.rs", ""),
    ]);
    assert!(layer_faults(&edges(&good)).is_empty());
}

fn area_faults(edges: &BTreeSet<Edge>) -> Vec<String> {
    let areas: BTreeMap<&str, &[&str]> = APP_AREAS.iter().copied().collect();
    let fault = |(from, to): &Edge| {
        let [(a, from_area), (b, to_area)] = [from, to].map(|path| (path.first(), path.get(1)));
        let (Some("app"), Some("app")) = (a.map(String::as_str), b.map(String::as_str)) else { return None };
        // `app/mod.rs` declares the areas.
        let (Some(from_area), Some(to_area)) = (from_area, to_area) else { return None };
        let Some(allowed) = areas.get(from_area.as_str()) else {
            return Some(format!("app::{from_area} is not in the table of areas"));
        };
        let fits = from_area == to_area || allowed.contains(&to_area.as_str());
        (!fits).then(|| format!("{} imports {}", from.join("::"), to.join("::")))
    };
    edges.iter().filter_map(fault).collect()
}

#[test]
fn the_areas_of_app_import_only_what_the_table_allows() {
    let faults = area_faults(&edges(&production_files()));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_area_of_app_is_in_the_table() {
    let declared: BTreeSet<String> = production_files()
        .iter()
        .filter(|(path, _)| path.starts_with("src/app"))
        .filter_map(|(path, _)| crate::imports::module_path(path).get(1).cloned())
        .collect();
    let table: BTreeSet<String> = APP_AREAS.iter().map(|(area, _)| (*area).to_owned()).collect();
    assert_eq!(declared, table);
}

#[test]
fn the_area_rule_can_fail() {
    for (path, code) in [
        ("src/app/cost/report.rs", "use crate::app::release::Prepared;"),
        ("src/app/cost/report.rs", "use super::super::release;"),
        ("src/app/unknown.rs", "use crate::app::cost;"),
    ] {
        let tree = [("src/app/mod.rs", ""), ("src/app/release/mod.rs", ""), ("src/app/cost/mod.rs", "")];
        let faults = area_faults(&edges(&files(&[&tree[..], &[(path, code)]].concat())));
        assert_eq!(faults.len(), 1, "{code}: {faults:?}");
    }
    let good =
        [("src/app/cost/mod.rs", "use crate::app::{scan, cost::report};"), ("src/app/scan/mod.rs", "")];
    assert!(area_faults(&edges(&files(&good))).is_empty());
}

/// Every circle of imports between the files of one module.
fn circle_faults(edges: &BTreeSet<Edge>) -> Vec<String> {
    let inside = |(from, to): &&Edge| from.first() == to.first();
    let edges: BTreeSet<Edge> = edges.iter().filter(inside).cloned().collect();
    let mut faults = Vec::new();
    for circle in circles(&edges) {
        let names: BTreeSet<String> = circle.iter().map(|module| module.join("::")).collect();
        faults.push(format!("circle of {}:", names.into_iter().collect::<Vec<_>>().join(", ")));
        for (from, to) in edges.iter().filter(|(from, to)| circle.contains(from) && circle.contains(to)) {
            faults.push(format!("    {} imports {}", from.join("::"), to.join("::")));
        }
    }
    faults
}

#[test]
fn no_files_of_a_module_import_each_other_in_a_circle() {
    let faults = circle_faults(&edges(&production_files()));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_circle_rule_can_fail() {
    let tree = files(&[
        ("src/gate/mod.rs", "mod keys; mod sealed; pub use keys::Keys; pub use sealed::{Sealed, open};"),
        ("src/gate/keys.rs", "use super::Sealed;"),
        ("src/gate/sealed.rs", "use crate::gate::{Keys, Other};"),
    ]);
    let edges = edges(&tree);
    assert_eq!(
        circle_faults(&edges),
        [
            "circle of gate::keys, gate::sealed:",
            "    gate::keys imports gate::sealed",
            "    gate::sealed imports gate::keys"
        ]
    );
}

fn length_faults(files: &[File]) -> Vec<String> {
    let long = files.iter().filter(|(_, text)| text.lines().count() > MAX_FILE_LINES);
    long.map(|(path, text)| format!("{}: {} lines", path.display(), text.lines().count())).collect()
}

#[test]
fn no_file_is_longer_than_800_lines() {
    let faults: Vec<String> =
        ["src", "tests", "benches"].into_iter().flat_map(|dir| length_faults(&rust_files(dir))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_length_rule_can_fail() {
    let lines = |n: usize| vec![(PathBuf::from("src/x.rs"), "x\n".repeat(n))];
    assert_eq!(length_faults(&lines(MAX_FILE_LINES)), [""; 0]);
    assert_eq!(length_faults(&lines(MAX_FILE_LINES + 1)), ["src/x.rs: 801 lines"]);
}

/// The lines that a registry should have for these files of its folder, and has not.
fn registration_faults(registry: &Registry, text: &str, names: &[String]) -> Vec<String> {
    let lines = names.iter().flat_map(|name| (registry.lines)(name));
    let missing = lines.filter(|line| !text.contains(line.as_str()));
    missing.map(|line| format!("{} has no `{line}`", registry.file)).collect()
}

#[test]
fn every_file_is_registered() {
    let mut count = 0;
    for registry in REGISTRIES {
        let text = fs::read_to_string(root().join(registry.file)).unwrap();
        let mut names = Vec::new();
        for entry in fs::read_dir(root().join(registry.folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let is_module = path.is_dir() || path.extension().is_some_and(|e| e == "rs");
            if is_module && !matches!(name.as_str(), "mod" | "main") {
                names.push(name);
            }
        }
        assert!(names.len() >= 3, "only {names:?} in {}", registry.folder);
        count += names.len();
        let faults = registration_faults(registry, &text, &names);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
    assert!(count > 100, "only {count} files were found");
}

#[test]
fn the_registration_rule_can_fail() {
    for registry in REGISTRIES {
        let good = (registry.lines)("listed").join("\n");
        assert_eq!(registration_faults(registry, &good, &["listed".to_owned()]), [""; 0]);
        let faults = registration_faults(registry, &good, &["listed".to_owned(), "forgotten".to_owned()]);
        assert_eq!(faults.len(), (registry.lines)("").len(), "{}", registry.folder);
    }
}

#[test]
fn every_agent_is_in_the_registry_once() {
    let agents: Vec<&str> = clawgate::sources::REGISTRY.iter().map(|s| s.agent()).collect();
    let unique: BTreeSet<&str> = agents.iter().copied().collect();
    assert_eq!(agents.len(), unique.len(), "{agents:?}");
    for agent in agents {
        let paths = ["src/sources/{}.rs", "src/sources/{}/mod.rs"]
            .map(|p| root().join(p.replace("{}", &agent.replace('-', "_"))));
        assert!(paths.iter().any(|p| p.is_file()), "{agent} has no file");
    }
}

/// Lines of production code outside `platform` that ask for the system.
fn platform_faults(files: &[File]) -> Vec<String> {
    let questions = [
        "cfg(unix)",
        "cfg(not(unix))",
        "cfg(windows)",
        "cfg!(unix)",
        "cfg!(windows)",
        "target_os",
        "std::os::",
    ];
    let mut faults = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| !path.starts_with("src/platform")) {
        for (number, line) in production_lines(text) {
            if questions.iter().any(|question| line.contains(question)) {
                faults.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    faults
}

#[test]
fn only_platform_asks_for_the_system() {
    let faults = platform_faults(&production_files());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let bad = files(&[
        ("src/store/x.rs", "#[cfg(unix)]\nfn f() {}\nuse std::os::unix::fs::MetadataExt;"),
        (
            "src/app/x.rs",
            "fn f() { if cfg!(windows) {} }\n#[cfg(test)]\nmod tests {\n    #[cfg(unix)]\n    fn g() {}\n}\n",
        ),
        ("src/platform/unix.rs", "use std::os::unix::fs::MetadataExt;"),
    ]);
    assert_eq!(platform_faults(&bad).len(), 3);
}

fn panic_faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in files {
        for (number, line) in production_lines(text) {
            let calls = [".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!(", "unimplemented!("];
            if let Some(call) = calls.iter().find(|call| line.contains(**call)) {
                faults.push(format!("{}:{number}: {call}", path.display()));
            }
        }
    }
    faults
}

#[test]
fn production_code_does_not_panic() {
    let faults = panic_faults(&production_files());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_panic_rule_can_fail() {
    let code = "fn a() {\n    b().unwrap();\n}\n#[cfg(test)]\nmod tests {\n    fn c() {\n        d().unwrap();\n    }\n}\n";
    assert_eq!(panic_faults(&files(&[("src/x.rs", code)])), ["src/x.rs:2: .unwrap()"]);
}

#[test]
fn items_under_cfg_test_and_comments_are_not_production_code() {
    let text = "fn a() {}\n    #[cfg(test)]\n    pub fn b() {\n        x.unwrap();\n    }\n// c\nfn d() {}\n#[cfg(test)]\nmod tests {\n    use x;\n}\nfn e() {}\n";
    let code: Vec<&str> = production_lines(text).into_iter().map(|(_, l)| l).collect();
    assert_eq!(code, ["fn a() {}", "fn d() {}", "fn e() {}"]);
}

fn module_doc_faults(files: &[File]) -> Vec<String> {
    let bare = files.iter().filter(|(_, text)| !text.starts_with("//!"));
    bare.map(|(path, _)| format!("{} does not start with a //! comment", path.display())).collect()
}

#[test]
fn every_module_file_starts_with_a_doc_comment() {
    let faults = module_doc_faults(&production_files());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_doc_comment_rule_can_fail() {
    let tree = files(&[("src/a.rs", "//! Sums.\n"), ("src/b.rs", "use std::fs;\n")]);
    assert_eq!(module_doc_faults(&tree), ["src/b.rs does not start with a //! comment"]);
}
