//! Options of the local server, and the token that authorizes its callers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::app::Failure;
use crate::app::cost::RunCommand;
use crate::app::fs::{read_if_exists, write_private};
use crate::app::random::random_key_hex;
use crate::trace::Timestamp;

/// File in the archive's directory that contains the token of the local server.
pub const TOKEN_FILE: &str = "web.token";

/// Options of the local server.
pub struct ServeOptions {
    /// Port on the loopback interface; 0 selects a free one.
    pub port: u16,
    /// Set to stop the server.
    pub cancel: Arc<AtomicBool>,
    /// Starts the command that delivers alerts.
    pub run: RunCommand,
    /// Replaces the token. The old one is no longer valid.
    pub new_token: bool,
    /// Called once the server listens.
    pub on_ready: Box<dyn FnOnce(&Serving)>,
}

/// The addresses of a running server.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Address, for instance `http://127.0.0.1:8384/`.
    pub url: String,
    /// Address that signs a browser in while this server runs.
    pub entry: String,
    /// File with the token for programs.
    pub token_file: PathBuf,
    pub port: u16,
}

/// Returns the token that authorizes programs at the local server. The first call creates it; only the owner can read it.
///
/// `new` replaces an existing token.
///
/// # Errors
/// [`Failure`] if the file cannot be read or written, or contains no valid token.
pub fn web_token(dir: &Path, new: bool) -> Result<String, Failure> {
    let path = dir.join(TOKEN_FILE);
    if !new && let Some(text) = read_if_exists(&path)? {
        let token = text.trim();
        if token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(token.to_owned());
        }
        let message = format!("{} contains no valid token.", path.display());
        return Err(Failure::failed("bad_token", message).hint("clawgate serve --new-token"));
    }
    let token = random_key_hex()?;
    write_private(&path, format!("{token}\n").as_bytes())?;
    Ok(token)
}

/// How long the link of the menu bar is valid. The menu bar runs the command again every few minutes.
const LINK_MINUTES: i64 = 15;

/// Returns a secret for a link that signs a browser in until it expires. Unlike the token, it may be printed, because it
/// soon is of no use.
pub fn link_token(token: &str, now: Timestamp) -> String {
    let expires = now.millis() / 60_000 + LINK_MINUTES;
    format!("{expires}.{}", link_mac(token, &expires.to_string()))
}

/// Returns whether a secret is that of a link which is still valid.
pub fn is_link_token(token: &str, link: &str, now: Timestamp) -> bool {
    let Some((expires, mac)) = link.split_once('.') else { return false };
    let minutes = now.millis() / 60_000;
    let is_current = expires.parse::<i64>().is_ok_and(|e| (minutes..=minutes + LINK_MINUTES).contains(&e));
    // Hashes are compared, so that the time of the comparison reveals nothing.
    is_current && Sha256::digest(mac) == Sha256::digest(link_mac(token, expires))
}

fn link_mac(token: &str, expires: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(token.as_bytes()) else { return String::new() };
    mac.update(b"clawgate link ");
    mac.update(expires.as_bytes());
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_signs_in_for_some_minutes_only() {
        let now = Timestamp(1_795_191_161_443);
        let link = link_token("the-token", now);
        let at = |minutes: i64| Timestamp(now.0 + minutes * 60_000);
        assert!(is_link_token("the-token", &link, now) && is_link_token("the-token", &link, at(14)));
        assert!(!is_link_token("the-token", &link, at(16)), "expired");
        assert!(!is_link_token("another", &link, now), "made with another token");
        let (expires, mac) = link.split_once('.').unwrap();
        let later = expires.parse::<i64>().unwrap() + 60;
        assert!(!is_link_token("the-token", &format!("{later}.{mac}"), at(50)), "the time is signed");
        for bad in ["", ".", "the-token", "x.y", expires] {
            assert!(!is_link_token("the-token", bad, now), "{bad}");
        }
        assert!(!link.contains("the-token"));
    }

    #[test]
    fn the_token_is_created_once_and_only_its_owner_can_read_it() {
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
