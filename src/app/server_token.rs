//! What a server is started with, and the token that callers show it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::app::Failure;
use crate::app::cost::RunCommand;
use crate::app::fs::{io_failure, write_private};
use crate::app::random::random_key_hex;

/// File in our directory that holds the token of the local server.
pub const TOKEN_FILE: &str = "web.token";

/// How a local server is to run.
pub struct ServeOptions {
    /// Port on loopback; 0 takes a free one.
    pub port: u16,
    /// Set when it is to end.
    pub cancel: Arc<AtomicBool>,
    /// Starts the command that alerts go to.
    pub run: RunCommand,
    /// Makes a new token; the old one is worth nothing from then on.
    pub new_token: bool,
    /// Is told once the server listens.
    pub told: Box<dyn FnOnce(&Serving)>,
}

/// Where a server listens.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Its address, `http://127.0.0.1:8384/`.
    pub url: String,
    /// The address that lets a browser in, for as long as this server runs.
    pub entry: String,
    /// Where the token stands for programs.
    pub token_file: PathBuf,
    /// The port.
    pub port: u16,
}

/// The token that programs show the local server; made at the first call, 0600.
///
/// # Errors
/// [`Failure`] where it cannot be read or written, or where it is not what was written.
pub fn web_token(dir: &Path, new: bool) -> Result<String, Failure> {
    let path = dir.join(TOKEN_FILE);
    if !new {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let token = text.trim();
                let whole = token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit());
                let bad = || {
                    Failure::failed("bad_token", format!("{} does not hold a token.", path.display()))
                        .hint("clawgate serve --new-token")
                };
                return if whole { Ok(token.to_owned()) } else { Err(bad()) };
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(io_failure("cannot read", &path, &e)),
        }
    }
    let token = random_key_hex()?;
    write_private(&path, format!("{token}\n").as_bytes())?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_made_once_and_for_its_owner() {
        let tmp = tempfile::tempdir().unwrap();
        let token = web_token(tmp.path(), false).unwrap();
        assert_eq!((token.len(), web_token(tmp.path(), false).unwrap() == token), (64, true));
        assert!(web_token(tmp.path(), true).unwrap() != token);
        let path = tmp.path().join(TOKEN_FILE);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "short").unwrap();
        assert_eq!(web_token(tmp.path(), false).unwrap_err().code, "bad_token");
    }
}
