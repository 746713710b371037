//! The documentation: links lead to pages and headings that exist, and the index lists every page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages(dir: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(root().join(dir)).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "md")).collect()
}

/// The anchors of a page, as they are made of its headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|line| line.chars().filter(kept).collect::<String>().replace(' ', "-"))
        .collect()
}

/// The links of a page that lead nowhere.
fn broken_links(path: &Path, text: &str) -> Vec<String> {
    let links = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let links = links.captures_iter(text).map(|found| found[1].to_owned());
    links
        .filter(|link| !link.starts_with("http"))
        .filter(|link| {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.to_owned() } else { path.parent().unwrap().join(file) };
            let is_page = target.extension().is_some_and(|e| e == "md");
            let found = || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor);
            !target.exists() || !anchor.is_empty() && is_page && !found()
        })
        .collect()
}

#[test]
fn every_link_leads_to_a_page_and_a_heading_that_exist() {
    let mut count = 0;
    for path in [pages("."), pages("docs"), pages("packaging")].concat() {
        let text = fs::read_to_string(&path).unwrap();
        let broken = broken_links(&path, &text);
        assert!(broken.is_empty(), "{}: {broken:?}", path.display());
        count += text.matches("](").count();
    }
    assert!(count > 100, "only {count} links were found");
    let page = root().join("docs/README.md");
    let bad = "[a](nowhere.md) [b](cost.md#no-such-heading) [c](cost.md#tools) [d](../README.md)";
    assert_eq!(broken_links(&page, bad), ["nowhere.md", "cost.md#no-such-heading"]);
}

#[test]
fn the_index_lists_every_page() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for path in pages("docs") {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || index.contains(&format!("]({name})")), "docs/README.md lacks {name}");
    }
}
