//! Finds user names in home directories of every system, and in folder names made from their paths.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::rules::is_shared_account;

/// A directory that contains home directories: the text before the searched part, the text after it, and the separator
/// that ends the user name.
type Root = (&'static str, &'static str, char);

/// The searched part and the roots that contain it. `ome` is searched instead of `/home/`, so that one search finds the
/// paths of all systems, the folder names made from them (`-home-`), and the percent-encoded form.
const ROOTS: &[(&str, &[Root])] = &[
    ("ome", &[("/h", "/", '/'), ("-h", "-", '-'), ("%2Fh", "%2F", '%'), ("\\h", "\\", '\\')]),
    (
        "sers",
        &[("/U", "/", '/'), ("\\U", "\\", '\\'), ("/u", "/", '/'), ("-U", "-", '-'), ("%2FU", "%2F", '%')],
    ),
    ("ocuments and Setting", &[("D", "s\\", '\\')]),
];

/// Finds every root in the text: its start, its end, and the separator that ends the name.
fn find_roots(b: &[u8]) -> Vec<(usize, usize, char)> {
    static FINDERS: LazyLock<Vec<Finder<'static>>> =
        LazyLock::new(|| ROOTS.iter().map(|(inside, _)| Finder::new(*inside)).collect());
    let mut out = Vec::new();
    for (finder, (inside, kinds)) in FINDERS.iter().zip(ROOTS) {
        for at in finder.find_iter(b) {
            let end = at + inside.len();
            let kind = kinds.iter().find(|(head, tail, _)| {
                b[..at].ends_with(head.as_bytes()) && b[end..].starts_with(tail.as_bytes())
            });
            if let Some((head, tail, sep)) = kind {
                out.push((at - head.len(), end + tail.len(), *sep));
            }
        }
    }
    out
}

/// Finds the user names in paths.
pub(crate) fn users(text: &str) -> Vec<(usize, usize)> {
    let b = text.as_bytes();
    let mut out = Vec::new();
    for (at, end, sep) in find_roots(b) {
        if !begins_path(b, at) {
            continue;
        }
        let mut s = end;
        // Escaping doubles backslashes.
        while sep == '\\' && b.get(s) == Some(&b'\\') {
            s += 1;
        }
        let mut e = s;
        while e < b.len() && e - s < 40 {
            let c = b[e];
            let ok = c.is_ascii_alphanumeric()
                || c == b'_'
                || c >= 0x80
                || (sep != '-' && matches!(c, b'.' | b'-'))
                || (sep == '\\' && c == b' ' && b.get(e + 1).is_some_and(u8::is_ascii_uppercase));
            if !ok {
                break;
            }
            e += 1;
        }
        while e > s && b[e - 1] == b'.' {
            e -= 1;
        }
        if e - s < 2 || !text.is_char_boundary(s) || !text.is_char_boundary(e) {
            continue;
        }
        let name = &text[s..e];
        // `/home/page.html` and `/users/123` are routes of a web server.
        let next = b.get(e).copied();
        let file =
            name.contains('.') && next != Some(b'/') && name.rsplit('.').next().is_some_and(|x| x.len() <= 4);
        let route = &b[at..end] == b"/users/"
            && (next != Some(b'/') || !b[..at].ends_with(b"C:") && !b[..at].ends_with(b"c:"));
        if is_shared_account(name)
            || file
            || route
            || name.bytes().all(|c| c.is_ascii_digit())
            || (sep == '-' && next != Some(b'-') && next.is_some_and(|c| c == b'_'))
        {
            continue;
        }
        if name.starts_with('$') || name.starts_with('{') {
            continue;
        }
        out.push((s, e));
    }
    // The searches run one after the other, so the spans are not in order yet.
    out.sort_unstable();
    out.dedup();
    out
}

/// Ends of the paths in which home directories can be, other than the root of the file system.
const HOME_PARENTS: [&[u8]; 6] = [b"/c", b"/var", b"/export", b"/d", b"rootfs", b"/data"];

/// Whether the root at `at` begins a path, as opposed to a part of a URL or of a longer path.
fn begins_path(b: &[u8], at: usize) -> bool {
    let before = if at == 0 { b' ' } else { b[at - 1] };
    match b[at] {
        b'/' => {
            if before.is_ascii_alphanumeric() {
                // `/mnt/c/Users/x` and `/var/home/x` are home directories, `example.com/home/x` is not.
                let head = &b[at.saturating_sub(7)..at];
                return HOME_PARENTS.iter().any(|parent| head.ends_with(parent));
            }
            !matches!(before, b'.' | b'_') || before == b'/'
        }
        b'-' => {
            matches!(before, b'/' | b'\\' | b'"' | b' ' | b'\'' | b'`' | b'=' | b'\n' | b'>' | b'c' | b'(')
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_found_in_the_paths_of_every_system() {
        for t in [
            "/home/pvintergren/x",
            "/Users/pvintergren",
            "C:\\Users\\pvintergren\\a",
            "C:\\\\Users\\\\pvintergren\\\\a",
            "~/.claude/projects/-home-pvintergren-work-x",
            "C:/Users/pvintergren/x",
            "/mnt/c/Users/pvintergren/x",
        ] {
            let names: Vec<_> = users(t).into_iter().map(|(s, e)| &t[s..e]).collect();
            assert_eq!(names, vec!["pvintergren"], "{t}");
        }
        for t in
            ["/home/runner/work", "https://x.io/users/4", "/Users/Shared/x", "/home/index.html", "a/home/b"]
        {
            assert_eq!(users(t), vec![], "{t}");
        }
    }
}
