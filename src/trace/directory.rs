//! Spellings of the directories that logs record. Works on text alone.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

/// Maximum number of directories of one session that are kept, apart from its project's.
pub const MAX_DIRECTORIES: usize = 1000;
/// Maximum length of a directory that is kept, in bytes.
pub const MAX_DIRECTORY_BYTES: usize = 4096;
/// Placeholder for directories beyond the limit; not a path. Treated as possibly excluded.
pub const MORE_DIRECTORIES: &str = "(more than 1,000 directories)";

/// Returns the one spelling of a directory: without `.`, `..`, repeated separators and separators at the end, and in
/// Unicode form NFC. A path that ends at its root keeps the separator. A path with a drive has backslashes and an upper-case
/// drive, however it was written: `file:///c:/work`, `c:/work`, `/c:/work` and `\\?\C:\work` are `C:\work`.
pub fn normal_directory(path: &str) -> String {
    let path = &*with_drive_first(path);
    let windows = is_windows_path(path);
    let is_separator = |c: char| c == '/' || windows && c == '\\';
    let separator = if windows && path.contains('\\') { "\\" } else { "/" };
    let is_share = path.starts_with("\\\\");
    let is_rooted = path.starts_with(is_separator);
    let is_drive = |part: &str| windows && part.len() == 2 && part.ends_with(':');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(is_separator) {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(last) if is_drive(last) => {}
                Some(last) if *last != ".." => drop(parts.pop()),
                _ if is_rooted => {}
                _ => parts.push(part),
            },
            part => parts.push(part),
        }
    }
    let mut out = match (is_share, is_rooted) {
        (true, _) => "\\\\".to_owned(),
        (false, true) => separator.to_owned(),
        (false, false) => String::new(),
    };
    out.push_str(&parts.join(separator));
    match parts.as_slice() {
        [] if out.is_empty() => return trim_separators(path).to_owned(),
        [drive] if is_drive(drive) && path.len() > 2 => out.push_str(separator),
        _ => {}
    }
    out.nfc().collect()
}

/// Returns a Windows path without the prefixes that some programs add, in its usual letters and separators; any other path as
/// it is.
fn with_drive_first(path: &str) -> Cow<'_, str> {
    if let Some(path) = path.strip_prefix("file://") {
        let path = percent_decode_str(path).decode_utf8_lossy();
        return Cow::Owned(with_drive_first(&path).into_owned());
    }
    let long = path.strip_prefix(r"\\?\").or_else(|| path.strip_prefix("//?/"));
    if let Some(share) =
        long.and_then(|long| long.strip_prefix(r"UNC\").or_else(|| long.strip_prefix("UNC/")))
    {
        return Cow::Owned(format!(r"\\{share}"));
    }
    let path = long.filter(|long| has_drive(long) || long.starts_with('/')).unwrap_or(path);
    // In a `file:` address, a slash precedes the drive.
    let path = path.strip_prefix('/').filter(|rest| has_drive(rest)).unwrap_or(path);
    match path.get(..1).filter(|_| has_drive(path)) {
        Some(drive) => Cow::Owned(drive.to_ascii_uppercase() + &path[1..].replace('/', "\\")),
        None => Cow::Borrowed(path),
    }
}

/// Whether a path begins with a drive, such as `C:\`.
fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [drive, b':', rest @ ..]
        if drive.is_ascii_alphabetic() && matches!(rest.first(), None | Some(b'/' | b'\\')))
}

/// Returns the last component of a path.
pub fn last_component(path: &str) -> &str {
    let separators: &[char] = if is_windows_path(path) { &['/', '\\'] } else { &['/'] };
    path.rsplit(separators).next().unwrap_or(path)
}

/// Returns whether a directory in its normal spelling is another one or below it. Windows does not distinguish case.
pub fn is_below(directory: &str, above: &str, ignore_case: bool) -> bool {
    let windows = is_windows_path(above) && above.len() > 1;
    let comparable = |text: &str| {
        let text = if windows { text.replace('\\', "/") } else { text.to_owned() };
        if windows || ignore_case { text.to_lowercase() } else { text }
    };
    let (directory, above) = (comparable(directory), comparable(above));
    directory
        .strip_prefix(&above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || above.ends_with('/'))
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

/// Whether a path starts at a root or at a drive.
pub fn is_absolute(path: &str) -> bool {
    let has_drive = matches!(path.as_bytes(), [drive, b':', ..] if drive.is_ascii_alphabetic());
    path.starts_with(['/', '\\']) || has_drive
}

/// Whether a path is a Windows path: `C:\…`, `\\server\…`, or without any slash. In other paths a backslash is part of a name.
pub fn is_windows_path(path: &str) -> bool {
    let drive = path.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && path[1..].starts_with(':');
    drive || path.starts_with("\\\\") || !path.contains('/')
}

/// Whether a directory in its normal spelling is one for temporary files or below it.
pub fn is_temporary(path: &str) -> bool {
    const PLACES: [&str; 6] =
        ["/tmp", "/private/tmp", "/var/tmp", "/var/folders", "/private/var/folders", "/dev/shm"];
    let windows = path.to_lowercase();
    PLACES.iter().any(|place| is_below(path, place, false))
        || windows.contains(r"\appdata\local\temp") && is_windows_path(path)
}

/// Whether a directory in its normal spelling is a root or a home directory: `/`, `/home/ada`, `/Users/ada`, `/root`,
/// `C:\Users\ada`. Other projects are below it that have nothing to do with it.
pub fn is_root_or_home(path: &str) -> bool {
    let windows = is_windows_path(path);
    let parts: Vec<&str> =
        path.split(|c| c == '/' || windows && c == '\\').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] => true,
        [only] => only.ends_with(':') || *only == "root",
        [.., homes, _] if parts.len() <= 4 => {
            homes.eq_ignore_ascii_case("home") || homes.eq_ignore_ascii_case("users")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_directory_becomes_the_same() {
        for spelling in [
            "/home/ada/shop",
            "/home/ada/shop/",
            "//home//ada/shop",
            "/home/./ada/shop/.",
            "/home/ada/notes/../shop",
            "/../home/ada/x/y/../../shop//",
        ] {
            assert_eq!(normal_directory(spelling), "/home/ada/shop", "{spelling}");
        }
        assert_eq!(normal_directory("/x/cafe\u{301}"), "/x/caf\u{e9}");
        for (spelling, want) in [
            (r"C:\work\.\shop\", r"C:\work\shop"),
            (r"C:\work\..\..\shop", r"C:\shop"),
            ("C:/work//shop", r"C:\work\shop"),
            ("c:/work/shop/", r"C:\work\shop"),
            ("/c:/work/shop", r"C:\work\shop"),
            (r"\\?\C:\work\shop", r"C:\work\shop"),
            ("//?/c:/work", r"C:\work"),
            (r"\\?\UNC\server\share\x", r"\\server\share\x"),
            (r"\\?\Volume{1}\x", r"\\?\Volume{1}\x"),
            ("c:work", "c:work"),
            ("file:///home/ada/a%20b", "/home/ada/a b"),
            ("file:///c:/work", r"C:\work"),
            (r"\\?\/home/ada", "/home/ada"),
            (r"C:\", r"C:\"),
            ("C:", "C:"),
            (r"\\server\share\\x\", r"\\server\share\x"),
            (r"/srv/a\b/", r"/srv/a\b"),
            ("/", "/"),
            ("//", "/"),
            ("/..", "/"),
            ("a/../../b", "../b"),
            ("", ""),
            (".", "."),
            ("./", "."),
        ] {
            assert_eq!(normal_directory(spelling), want, "{spelling}");
        }
    }

    #[test]
    fn the_last_component_ends_a_path_of_either_system() {
        for (path, want) in [
            ("/srv/shop", "shop"),
            (r"C:\work\shop", "shop"),
            (r"/srv/a\b", r"a\b"),
            ("shop", "shop"),
            ("/", ""),
        ] {
            assert_eq!(last_component(path), want, "{path}");
        }
    }

    #[test]
    fn a_directory_is_below_another_one_by_whole_components() {
        for (directory, above) in [
            ("/home/ada/shop", "/home/ada/shop"),
            ("/home/ada/shop/src", "/home/ada/shop"),
            ("/x", "/"),
            (r"C:\Work\shop", "c:/work"),
        ] {
            assert!(is_below(directory, above, false), "{directory} {above}");
        }
        for (directory, above) in [("/home/ada/shopping", "/home/ada/shop"), ("/home/ada", "/home/Ada")] {
            assert!(!is_below(directory, above, false), "{directory} {above}");
        }
        assert!(is_below("/home/ada/x", "/HOME/Ada", true));
    }

    #[test]
    fn directories_for_temporary_files_are_recognized() {
        for path in ["/tmp", "/private/tmp/x", r"C:\Users\Ada\AppData\Local\Temp\x", "/var/folders/a/b"] {
            assert!(is_temporary(path), "{path}");
        }
        for path in ["/home/ada/tmp", "/tmpfs", r"C:\Temp", "/srv/zorga"] {
            assert!(!is_temporary(path), "{path}");
        }
    }

    #[test]
    fn roots_and_home_directories_are_recognized() {
        for path in ["/", "/home/ada", "/Users/ada", "/root", r"C:\", r"C:\Users\Ada", "/mnt/home/ada"] {
            assert!(is_root_or_home(path), "{path}");
        }
        for path in ["/srv", "/home/ada/shop", r"C:\Users\Ada\shop", "/home"] {
            assert!(!is_root_or_home(path), "{path}");
        }
    }
}
