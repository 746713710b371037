//! Groups inventory items by their domain, so that a person decides about all hosts of a domain at once.

use std::collections::BTreeMap;

use crate::app::release::EntityItem;

/// Fewer items are asked about one by one.
const MIN_GROUP_ITEMS: usize = 3;

/// Items of one kind whose hosts end in the same domain.
pub(super) struct Group<'e> {
    pub kind: &'e str,
    /// `example.com`, or a top-level domain such as `dev`.
    pub domain: String,
    pub items: Vec<&'e EntityItem>,
}

/// Returns the groups of the items: first those of a whole domain, then those of a top-level domain.
pub(super) fn groups<'e>(items: &[&'e EntityItem]) -> Vec<Group<'e>> {
    let mut out: Vec<Group<'e>> = Vec::new();
    for labels in [2, 1] {
        let mut by_domain: BTreeMap<(&str, String), Vec<&EntityItem>> = BTreeMap::new();
        for item in items {
            let is_grouped = out.iter().any(|g| g.items.iter().any(|i| i.id == item.id));
            if let Some(domain) = domain(&item.value, labels).filter(|_| !is_grouped) {
                by_domain.entry((&item.kind, domain)).or_default().push(item);
            }
        }
        let large = by_domain.into_iter().filter(|(_, items)| items.len() >= MIN_GROUP_ITEMS);
        out.extend(large.map(|((kind, domain), items)| Group { kind, domain, items }));
    }
    out
}

/// Returns the last labels of the host in a value, which is a host name, a URL or an e-mail address. A top-level domain
/// needs one more label before it.
fn domain(value: &str, labels: usize) -> Option<String> {
    let host = value.split_once("://").map_or(value, |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default().to_lowercase();
    let parts: Vec<&str> = host.split('.').collect();
    let is_label = |p: &&str| !p.is_empty() && p.chars().all(|c| c.is_alphanumeric() || c == '-');
    let is_host = parts.len() >= 2
        && parts.iter().all(is_label)
        && parts.last().is_some_and(|top| top.chars().all(char::is_alphabetic));
    (is_host && (labels == 1 || parts.len() > labels)).then(|| parts[parts.len() - labels..].join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: &str, value: &str) -> EntityItem {
        let (id, kind, value) = (value.to_owned(), kind.to_owned(), value.to_owned());
        EntityItem { id, kind, value, count: 1, decision: None, context: Vec::new() }
    }

    #[test]
    fn hosts_of_a_domain_are_one_group() {
        let items: Vec<EntityItem> = [
            ("HOST", "docs.request.dev"),
            ("HOST", "docs.in.dev"),
            ("HOST", "a.dev"),
            ("HOST", "api.corp.example.com"),
            ("HOST", "db.corp.example.com"),
            ("HOST", "git.example.com"),
            ("URL", "https://wiki.dev/page"),
            ("PERSON", "Ada Lovelace"),
            ("HOST", "10.0.0.1"),
        ]
        .map(|(kind, value)| item(kind, value))
        .into();
        let all: Vec<&EntityItem> = items.iter().collect();
        let found: Vec<(String, usize)> =
            groups(&all).iter().map(|g| (g.domain.clone(), g.items.len())).collect();
        assert_eq!(found, [("example.com".to_owned(), 3), ("dev".to_owned(), 3)]);
        assert_eq!(domain("https://user@Wiki.Example.com:8080/x", 2).as_deref(), Some("example.com"));
        assert_eq!(domain("example.com", 2), None, "the domain itself is not a host below it");
        assert_eq!(domain("README.md/", 2), None);
    }
}
