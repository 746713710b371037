//! Collects the identities of the owner of this machine, which are removed from every release.
//!
//! They come from `~/.gitconfig`, `~/.config/git/config`, `~/.ssh/config` and the environment. They are read for each
//! release and not stored.

use std::path::Path;

use crate::rules::is_shared_account;
use crate::trace::Env;

/// Maximum length of a file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Hosts of public services, which identify nobody.
const PUBLIC_HOSTS: [&str; 10] = [
    "github.com",
    "ssh.github.com",
    "gitlab.com",
    "altssh.gitlab.com",
    "bitbucket.org",
    "codeberg.org",
    "git.sr.ht",
    "hf.co",
    "huggingface.co",
    "ssh.dev.azure.com",
];

/// The kind (`PERSON`, `EMAIL`, `USER`, `HOST`) and the value of each identity.
#[derive(Default)]
struct Identities(Vec<(String, String)>);

impl Identities {
    /// Adds an identity unless the value could be anybody's.
    fn add(&mut self, kind: &str, value: &str) {
        let value = value.trim().trim_matches('"');
        let identifies = match kind {
            "EMAIL" => {
                value.contains('@')
                    && value.len() > 5
                    && !value.contains("noreply")
                    && !value.contains("example.")
            }
            "USER" => value.len() >= 3 && !is_shared_account(value) && value != "git",
            "HOST" => is_private_host(value),
            _ => value.len() >= 4 && value.contains(' '),
        };
        if identifies && !self.0.iter().any(|(_, v)| v == value) {
            self.0.push((kind.to_owned(), value.to_owned()));
        }
    }
}

/// Returns the identities in the configuration of git and ssh.
pub(crate) fn of_files(env: &Env) -> Vec<(String, String)> {
    let mut out = Identities::default();
    for file in [".gitconfig", ".config/git/config"] {
        let mut section = String::new();
        for line in read_small(&env.home.join(file)).lines().map(str::trim) {
            if let Some(head) = line.strip_prefix('[') {
                section = head.trim_end_matches(']').trim().to_lowercase();
            } else if let Some((key, value)) = line.split_once('=') {
                match (section.as_str(), key.trim().to_lowercase().as_str()) {
                    ("user" | "author" | "committer", "name") => out.add("PERSON", value),
                    ("user" | "author" | "committer", "email") => out.add("EMAIL", value),
                    ("github" | "gitlab" | "credential", "user" | "username") => out.add("USER", value),
                    _ => {}
                }
            }
        }
    }
    for line in read_small(&env.home.join(".ssh/config")).lines() {
        let mut words = line.trim().splitn(2, [' ', '\t', '=']);
        let (key, value) =
            (words.next().unwrap_or_default().to_lowercase(), words.next().unwrap_or_default());
        match key.as_str() {
            "hostname" => out.add("HOST", value),
            "host" => value.split_whitespace().for_each(|h| out.add("HOST", h)),
            "user" => out.add("USER", value),
            _ => {}
        }
    }
    out.0
}

/// Returns the identities in the environment: the names of the machine and of the account.
pub(crate) fn of_environment(env: &Env) -> Vec<(String, String)> {
    let mut out = Identities::default();
    let names =
        [("HOST", ["HOSTNAME", "COMPUTERNAME"].as_slice()), ("USER", &["USER", "LOGNAME", "USERNAME"])];
    for (kind, variables) in names {
        for value in variables.iter().filter_map(|name| env.var(name)) {
            out.add(kind, value);
        }
    }
    out.0
}

/// Whether a host name identifies the owner: no public service, and no word that a text could contain by chance.
///
/// `build7.corp.io` and `build-7` do, `laptop` and `github.com` do not.
fn is_private_host(value: &str) -> bool {
    let lower = value.to_lowercase();
    value.len() >= 5
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        && value.bytes().any(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        && value.bytes().any(|b| b.is_ascii_alphabetic())
        && !PUBLIC_HOSTS.contains(&lower.as_str())
        && !lower.contains("localhost")
        && !lower.starts_with("127.")
}

/// Reads a small file; returns an empty text if there is none.
fn read_small(path: &Path) -> String {
    match path.metadata() {
        Ok(m) if m.is_file() && m.len() <= MAX_FILE_BYTES => {
            std::fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identities_of_the_owner_are_read_from_git_and_ssh_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join(".ssh")).unwrap();
        let git =
            "[user]\n\tname = Sunniva Brekke\n\temail = sunniva@fjordteam.no\n[core]\n\tname = no one\n";
        std::fs::write(dir.path().join(".gitconfig"), git).unwrap();
        let ssh =
            "Host build-7 github.com *\n  HostName build7.fjordteam.no\n  User sbrekke\nHost x\n  User git\n";
        std::fs::write(dir.path().join(".ssh/config"), ssh).unwrap();
        let mut env = Env::bare(dir.path(), dir.path());
        env.vars.insert("HOSTNAME".into(), "laptop".into());
        env.vars.insert("USER".into(), "root".into());
        let found = [of_files(&env), of_environment(&env)].concat();
        let found: Vec<_> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            found,
            [
                ("PERSON", "Sunniva Brekke"),
                ("EMAIL", "sunniva@fjordteam.no"),
                ("HOST", "build-7"),
                ("HOST", "build7.fjordteam.no"),
                ("USER", "sbrekke"),
            ]
        );
    }
}
