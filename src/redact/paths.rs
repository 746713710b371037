//! User names in home directories of every system, and in folder names made from them.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::rules::is_shared_account as shared;

/// Text before the shared part of a root, text after it, and what ends the name.
type Root = (&'static str, &'static str, char);

/// What every root has inside, and the roots with it: text before it, text after it, what ends the name.
const ROOTS: &[(&str, &[Root])] = &[
    ("ome", &[("/h", "/", '/'), ("-h", "-", '-'), ("%2Fh", "%2F", '%'), ("\\h", "\\", '\\')]),
    (
        "sers",
        &[("/U", "/", '/'), ("\\U", "\\", '\\'), ("/u", "/", '/'), ("-U", "-", '-'), ("%2FU", "%2F", '%')],
    ),
    ("ocuments and Setting", &[("D", "s\\", '\\')]),
];

/// Every root in the text: where it begins and ends, and what ends the name after it.
fn roots(b: &[u8]) -> Vec<(usize, usize, char)> {
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

/// The spans of user names in paths.
pub(crate) fn users(text: &str) -> Vec<(usize, usize)> {
    let b = text.as_bytes();
    let mut out = Vec::new();
    for (at, end, sep) in roots(b) {
        if !rooted(b, at) {
            continue;
        }
        let mut s = end;
        // backslashes doubled by escaping
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
        // `/home/page.html`, `/users/123`: routes, not directories
        let next = b.get(e).copied();
        let file =
            name.contains('.') && next != Some(b'/') && name.rsplit('.').next().is_some_and(|x| x.len() <= 4);
        let route = &b[at..end] == b"/users/"
            && (next != Some(b'/') || !b[..at].ends_with(b"C:") && !b[..at].ends_with(b"c:"));
        if shared(name)
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
    out.sort_unstable();
    out.dedup();
    out
}

/// Whether the root stands at the start of a path, not inside a URL or a longer one.
fn rooted(b: &[u8], at: usize) -> bool {
    let before = if at == 0 { b' ' } else { b[at - 1] };
    match b[at] {
        b'/' => {
            if before.is_ascii_alphanumeric() {
                // `/mnt/c/Users/x`, `C:/Users/x`, `file:///home/x` pass; `example.com/home/x` does not
                let head = &b[at.saturating_sub(7)..at];
                return head.ends_with(b"/c")
                    || head.ends_with(b"/var")
                    || head.ends_with(b"/export")
                    || head.ends_with(b"/d")
                    || head.ends_with(b"mnt/c")
                    || head.ends_with(b"rootfs")
                    || head.ends_with(b"/data");
            }
            !matches!(before, b'.' | b'_') || before == b'/'
        }
        b'-' => {
            before == b'/'
                || before == b'\\'
                || before == b'"'
                || before == b' '
                || before == b'\''
                || before == b'`'
                || before == b'='
                || before == b'\n'
                || before == b'>'
                || before == b'c'
                || before == b'('
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths_of_every_system() {
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
