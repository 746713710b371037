//! The structs that are printed as JSON, as the source declares them. A page that is made from what commands print lacks what
//! no command happened to print; the declarations say what else there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A struct that is serialized, with the names of its fields in JSON.
pub struct Serialized {
    pub name: String,
    /// Fields that each object has.
    pub required: BTreeSet<String>,
    /// Fields that are left out if they are empty.
    pub optional: BTreeSet<String>,
}

fn source_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The name in an attribute `rename = "name"`.
fn renamed(attributes: &str) -> Option<&str> {
    attributes.split_once("rename = \"")?.1.split('"').next()
}

fn structs_of(source: &str) -> Vec<Serialized> {
    let source = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut out = Vec::new();
    let mut attributes = String::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("#[") {
            attributes.push_str(line);
            continue;
        }
        let declared = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub(super) "));
        let declared = declared.or(line.strip_prefix("pub ")).unwrap_or(line);
        let Some(rest) = declared.strip_prefix("struct ").filter(|rest| rest.ends_with('{')) else {
            if !line.starts_with("///") {
                attributes.clear();
            }
            continue;
        };
        let is_printed = attributes.contains("Serialize") && !attributes.contains("rename_all");
        attributes.clear();
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        let mut found = Serialized { name, required: BTreeSet::new(), optional: BTreeSet::new() };
        for line in lines.by_ref().take_while(|line| *line != "}").map(str::trim) {
            if line.starts_with("#[") {
                attributes.push_str(line);
                continue;
            }
            let field = line.strip_prefix("pub ").unwrap_or(line);
            let Some((field, _)) = field.split_once(": ").filter(|_| !line.starts_with("//")) else {
                continue;
            };
            let is_left_out = attributes.contains("flatten") || attributes.contains("(skip)");
            let field = renamed(&attributes).unwrap_or(field.trim_start_matches("r#")).to_owned();
            if !is_left_out {
                let fields = if attributes.contains("skip_serializing_if") {
                    &mut found.optional
                } else {
                    &mut found.required
                };
                fields.insert(field);
            }
            attributes.clear();
        }
        if is_printed {
            out.push(found);
        }
    }
    out
}

/// The structs with optional fields.
pub fn with_optional_fields() -> Vec<Serialized> {
    let mut files = Vec::new();
    source_files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut files);
    files.sort();
    let mut out = Vec::new();
    for file in files {
        out.extend(structs_of(&fs::read_to_string(file).unwrap()));
    }
    out.retain(|s| !s.optional.is_empty());
    assert!(out.len() > 50, "only {} structs were found", out.len());
    out
}

#[test]
fn the_fields_of_a_struct_are_read_with_their_attributes() {
    let source = "#[derive(Debug, Serialize)]\npub struct Row {\n    /// A key.\n    pub key: String,\n    \
                  #[serde(rename = \"type\", skip_serializing_if = \"Option::is_none\")]\n    pub kind: Option<String>,\n    \
                  #[serde(skip)]\n    pub hidden: bool,\n}\n\n#[derive(Debug)]\nstruct Other {\n    a: u8,\n}\n";
    let found = structs_of(source);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, "Row");
    assert_eq!(found[0].required, BTreeSet::from(["key".to_owned()]));
    assert_eq!(found[0].optional, BTreeSet::from(["type".to_owned()]));
}
