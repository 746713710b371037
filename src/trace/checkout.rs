//! Finds the repository of a checkout from the path of the checkout alone.
//!
//! Agents and editors create worktrees in places that they choose. Some of these paths contain the path of the
//! repository, others only its name. The file `.git` of a worktree knows better, but only the scan may read files.

/// A path component that ends with one of these contains the worktrees of the repository beside it:
/// `shop.worktrees/fix` belongs to `shop`.
const SIBLING_SUFFIXES: [&str; 3] = [".worktrees", "-worktrees", "_worktrees"];

/// Agents that keep worktrees in their own directory in the home directory, wherever that is.
const AGENTS_WITH_CENTRAL_WORKTREES: [&str; 2] = [".codex", ".cursor"];

/// Directories of agents, anywhere, that contain a directory for each repository. The names end like those of the
/// worktrees of one repository, so only a list tells them.
const CONTAINERS_OF_AGENTS: [&str; 1] = ["copilot-worktrees"];

/// Directories in which programs keep their data, each in a directory of its own: `~/.local/share/tool/worktrees`.
const DATA_DIRECTORIES: [&[&str]; 7] = [
    &[".local", "share"],
    &[".local", "state"],
    &[".config"],
    &[".cache"],
    &["Library", "Application Support"],
    &["AppData", "Local"],
    &["AppData", "Roaming"],
];

/// The repository that a directory belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkout<'a> {
    /// The path of the repository. It is the directory itself unless the path is that of a worktree.
    At(&'a str),
    /// A worktree in a directory of the agent. One of these is the name of the repository, probably the first.
    Named(Vec<&'a str>),
}

impl<'a> Checkout<'a> {
    /// Returns the path of the repository, or its name if the path is not known.
    pub fn path_or_name(&self) -> &'a str {
        match self {
            Checkout::At(path) => path,
            Checkout::Named(names) => names.first().copied().unwrap_or_default(),
        }
    }
}

/// Returns the repository that a directory belongs to, as far as the path tells.
pub fn checkout(path: &str) -> Checkout<'_> {
    let directory = trim_separators(path);
    let parts = components(directory);
    // The leftmost pattern counts, because a worktree can be nested in another one.
    (0..parts.len()).find_map(|i| worktree(directory, &parts, i)).unwrap_or(Checkout::At(directory))
}

/// Interprets component `i` as the directory that contains worktrees.
fn worktree<'a>(path: &'a str, parts: &[Component<'a>], i: usize) -> Option<Checkout<'a>> {
    let part = parts.get(i)?;
    let below = parts.get(i + 1..).filter(|below| !below.is_empty())?;
    let hidden = |part: &Component<'_>| part.text.len() > 1 && part.text.starts_with('.');
    // `repo/.claude/worktrees/x`, `~/.codex/worktrees/44be/repo`
    let in_agent_dir = |owner: &Component<'a>| part.text == "worktrees" && hidden(owner);
    if let Some(before) = i.checked_sub(1)
        && let Some(owner) = parts.get(before).filter(|owner| in_agent_dir(owner))
    {
        let base = parts.get(..before)?;
        let central = AGENTS_WITH_CENTRAL_WORKTREES.contains(&owner.text) && below.len() > 1;
        return match central || is_home(base) {
            true => Some(named(path, owner.text, below)),
            false => Some(Checkout::At(base_path(path, base)?)),
        };
    }
    // `~/.local/share/tool/worktrees/repo/x`, `copilot-worktrees/repo/x`
    let has_own_data =
        || part.text == "worktrees" && i > 1 && parts.get(..i - 1).is_some_and(is_data_directory);
    if CONTAINERS_OF_AGENTS.contains(&part.text) || has_own_data() {
        return Some(named(path, part.text, below));
    }
    // `repo/.worktrees/x`, `~/.claude-worktrees/repo/x`
    if hidden(part) && SIBLING_SUFFIXES.iter().any(|suffix| part.text.ends_with(suffix)) {
        let base = parts.get(..i)?;
        return match is_home(base) {
            true => Some(named(path, part.text, below)),
            false => Some(Checkout::At(base_path(path, base)?)),
        };
    }
    // `repo.worktrees/x`, `repo-worktrees/x`
    let stem = SIBLING_SUFFIXES.iter().find_map(|suffix| part.text.strip_suffix(suffix))?;
    if stem.is_empty() { None } else { path.get(..part.start + stem.len()).map(Checkout::At) }
}

/// A worktree in a directory of an agent: the repository's name is one of the two components below the agent's directory,
/// the other one is the id or the branch of the worktree.
fn named<'a>(path: &'a str, owner: &str, below: &[Component<'a>]) -> Checkout<'a> {
    let [first, second, ..] = below else { return Checkout::At(path) };
    let id_first = match (looks_like_id(first.text), looks_like_id(second.text)) {
        (true, false) => true,
        (false, true) => false,
        _ => owner == ".codex",
    };
    Checkout::Named(match id_first {
        true => vec![second.text, first.text],
        false => vec![first.text, second.text],
    })
}

fn looks_like_id(text: &str) -> bool {
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    text.len() >= 4 && hex && text.bytes().any(|b| b.is_ascii_digit())
}

/// Returns whether components are those of a home directory: `/home/ada`, `/Users/ada`, `C:\Users\ada`, `/root`.
fn is_home(parts: &[Component<'_>]) -> bool {
    match parts {
        [only] => only.text == "root",
        [.., homes, _] if parts.len() <= 4 => {
            homes.text.eq_ignore_ascii_case("home") || homes.text.eq_ignore_ascii_case("users")
        }
        _ => false,
    }
}

/// Returns whether components end with those of a directory in which programs keep their data.
fn is_data_directory(parts: &[Component<'_>]) -> bool {
    DATA_DIRECTORIES.iter().any(|names| {
        let end = parts.len().checked_sub(names.len()).and_then(|from| parts.get(from..));
        end.is_some_and(|end| end.iter().zip(*names).all(|(part, name)| part.text == *name))
    })
}

/// Returns the path up to and including the last of some components.
fn base_path<'a>(path: &'a str, base: &[Component<'_>]) -> Option<&'a str> {
    let last = base.last()?;
    path.get(..last.start + last.text.len())
}

/// A component of a path and its position.
struct Component<'a> {
    text: &'a str,
    start: usize,
}

fn components(path: &str) -> Vec<Component<'_>> {
    let windows = is_windows_path(path);
    let mut start = 0;
    let mut out = Vec::new();
    for text in path.split(|c| c == '/' || windows && c == '\\') {
        if !text.is_empty() {
            out.push(Component { text, start });
        }
        start += text.len() + 1;
    }
    out
}

/// Returns a path without the separators at its end. A root keeps its separator.
pub fn trim_separators(path: &str) -> &str {
    let separators: &[char] = if is_windows_path(path) { &['/', '\\'] } else { &['/'] };
    let trimmed = path.trim_end_matches(separators);
    match trimmed.is_empty() || trimmed.ends_with(':') {
        true => path.get(..trimmed.len() + 1).unwrap_or(path),
        false => trimmed,
    }
}

/// Whether a path is a Windows path: `C:\…`, `\\server\…`, or without any slash. In other paths a backslash is part of a name.
pub fn is_windows_path(path: &str) -> bool {
    let drive = path.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && path[1..].starts_with(':');
    drive || path.starts_with("\\\\") || !path.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> &str {
        match checkout(path) {
            Checkout::At(root) => root,
            Checkout::Named(names) => panic!("{path}: only a name: {names:?}"),
        }
    }

    #[test]
    fn a_worktree_whose_path_contains_the_repository_belongs_to_it() {
        for worktree in [
            "/home/ada/src/shop",
            "/home/ada/src/shop/",
            "/home/ada/src/shop/.claude/worktrees/calm-heron",
            "/home/ada/src/shop/.claude/worktrees/calm-heron/src/api",
            "/home/ada/src/shop/.claude/worktrees/a/.worktrees/b",
            "/home/ada/src/shop/.gemini/worktrees/x/",
            "/home/ada/src/shop/.cursor/worktrees/x",
            "/home/ada/src/shop/.git/worktrees/x",
            "/home/ada/src/shop/.worktrees/fix",
            "/home/ada/src/shop/.claude-worktrees/fix",
            "/home/ada/src/shop.worktrees/feat/new-menu",
            "/home/ada/src/shop-worktrees/fix",
            "/home/ada/src/shop_worktrees/fix",
            "/home/ada/src/shop-worktrees/feat/new-menu",
        ] {
            assert_eq!(at(worktree), "/home/ada/src/shop", "{worktree}");
        }
        assert_eq!(at(r"C:\Users\Ada L\work\shop\.claude\worktrees\x"), r"C:\Users\Ada L\work\shop");
        assert_eq!(at(r"C:\work\shop.worktrees\x\"), r"C:\work\shop");
        assert_eq!(at(r"C:/work/shop/.worktrees/x"), "C:/work/shop");
    }

    #[test]
    fn a_worktree_in_the_home_directory_of_an_agent_has_the_name_of_its_repository() {
        let first = |path: &str| checkout(path).path_or_name().to_owned();
        for worktree in [
            "/home/ada/.codex/worktrees/44be/shop",
            "/home/ada/.codex/worktrees/44be/shop/src",
            "/data/ada/.codex/worktrees/beef/shop",
            "/Users/ada/.cursor/worktrees/shop/x3k9a",
            "/Users/ada/.cursor/worktrees/1f0c/shop",
            "/root/.claude/worktrees/shop/calm-heron",
            "/home/ada/.claude-worktrees/shop/calm-heron",
            "/home/ada/.worktrees/shop/fix",
            r"C:\Users\ada\.codex\worktrees\44be\shop",
            "/home/ada/copilot-worktrees/shop/ada-calm-heron",
            "/srv/git/copilot-worktrees/shop/ada-calm-heron/src/api",
            r"D:\git\copilot-worktrees\shop\ada-calm-heron",
            "/home/ada/.local/share/crew/worktrees/shop/fix",
            "/home/ada/.local/share/crew/worktrees/shop/feat/menu",
            "/home/ada/.local/share/crew/worktrees/44be/shop",
            "/Users/ada/Library/Application Support/Crew/worktrees/shop/fix",
            r"C:\Users\ada\AppData\Local\Crew\worktrees\shop\fix",
        ] {
            assert!(matches!(checkout(worktree), Checkout::Named(_)), "{worktree}");
            assert_eq!(first(worktree), "shop", "{worktree}");
        }
    }

    #[test]
    fn other_directories_stay_what_they_are() {
        for path in [
            "/",
            "",
            "/home/ada/worktrees",
            "/home/ada/shop/worktrees/x",
            "/home/ada/.codex/worktrees",
            "/home/ada/.codex/worktrees/44be",
            "/home/ada/.worktrees/fix",
            "/home/ada/copilot-worktrees",
            "/home/ada/copilot-worktrees/shop",
            "/home/ada/.local/share/crew/worktrees/shop",
            "/home/ada/.local/share/worktrees/shop/fix",
            "/home/ada/src/shop.worktrees",
            "/home/ada/src/shop-worktree-tools/x",
            "relative",
            ".worktrees/x",
        ] {
            assert_eq!(at(path), path);
        }
        assert_eq!(at(r"C:\"), r"C:\");
    }
}
