//! Who may ask: the right host, no foreign page, and the token or the cookie.
//!
//! A web page that the person happens to visit can make their browser send requests here. Three things keep it out:
//! the `Host` must be ours (a name that was rebound to 127.0.0.1 is not), what another origin sends is refused, and
//! nothing is answered without a secret that the page does not have.

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, ORIGIN};
use sha2::{Digest, Sha256};

use super::answer::Answer;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The secrets of one running server, as hashes: comparing them tells nothing about what was nearly right.
pub(super) struct Guard {
    port: u16,
    token: [u8; 32],
    entry: [u8; 32],
    cookie: [u8; 32],
    cookie_text: String,
}

/// What may be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// Whatever there is.
    In,
    /// A browser that came by the entry address: it gets the cookie.
    Enter,
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The answer to who shows no secret.
pub(super) fn unauthorized() -> Answer {
    let hint = "send `Authorization: Bearer` with the content of web.token in clawgate's directory, or open the \
                address that `clawgate serve` printed";
    Answer::error(StatusCode::UNAUTHORIZED, "unauthorized", "Authorization required", Some(hint))
}

fn misdirected() -> Answer {
    let why = "This server answers to 127.0.0.1 and localhost only.";
    Answer::error(StatusCode::MISDIRECTED_REQUEST, "wrong_host", why, None)
}

impl Guard {
    /// A guard over the lasting token and the two secrets of this run.
    pub(super) fn new(port: u16, token: &str, entry: &str, cookie: &str) -> Self {
        Guard {
            port,
            token: hash(token),
            entry: hash(entry),
            cookie: hash(cookie),
            cookie_text: format!("{}={cookie}; Path=/; HttpOnly; SameSite=Strict", cookie_name(port)),
        }
    }

    /// The cookie that lets a browser in. It ends with this server: other programs on this machine that serve on
    /// another port of the same address are shown it by the browser, so it must not last.
    pub(super) fn cookie(&self) -> String {
        self.cookie_text.clone()
    }

    /// Judges a request by its headers and the `token` of its query; `changes` says that it is no mere reading.
    pub(super) fn judge(
        &self,
        changes: bool,
        headers: &HeaderMap,
        token: Option<&str>,
    ) -> Result<Pass, Answer> {
        self.host(headers)?;
        self.origin(changes, headers)?;
        if let Some(token) = token.map(hash) {
            if token == self.entry || token == self.token {
                return Ok(Pass::Enter);
            }
        } else if self.bearer(headers) || self.has_cookie(headers) {
            return Ok(Pass::In);
        }
        Err(unauthorized())
    }

    fn is_ours(&self, host: &str) -> bool {
        let Some(name) = host.strip_suffix(&format!(":{}", self.port)) else { return false };
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own))
    }

    /// Judges the host that a request line may name (`GET http://host/path`); it counts above the header.
    pub(super) fn target(&self, authority: Option<&str>) -> Result<(), Answer> {
        if authority.is_none_or(|a| self.is_ours(a)) { Ok(()) } else { Err(misdirected()) }
    }

    fn host(&self, headers: &HeaderMap) -> Result<(), Answer> {
        let mut hosts = headers.get_all(HOST).iter();
        let only = (hosts.next(), hosts.next());
        match only {
            (Some(host), None) if host.to_str().is_ok_and(|h| self.is_ours(h)) => Ok(()),
            _ => Err(misdirected()),
        }
    }

    fn origin(&self, changes: bool, headers: &HeaderMap) -> Result<(), Answer> {
        let refuse = || {
            Err(Answer::error(
                StatusCode::FORBIDDEN,
                "foreign_origin",
                "Another page may not ask here.",
                None,
            ))
        };
        let ours = |value: &str| value.strip_prefix("http://").is_some_and(|host| self.is_ours(host));
        if headers.get_all(ORIGIN).iter().any(|o| !o.to_str().is_ok_and(ours)) {
            return refuse();
        }
        // Where there is no origin, browsers say what kind of page asks. Following a link is no harm: the cookie is
        // not sent then.
        let is = |name: &HeaderName, values: &[&str]| {
            headers.get(name).and_then(|v| v.to_str().ok()).is_some_and(|v| values.contains(&v))
        };
        let foreign = is(&FETCH_SITE, &["cross-site", "same-site"]);
        if foreign && (changes || !is(&FETCH_MODE, &["navigate"])) {
            return refuse();
        }
        Ok(())
    }

    fn bearer(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        let token =
            value.and_then(|v| v.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        token.is_some_and(|(_, token)| hash(token.trim()) == self.token)
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let name = cookie_name(self.port);
        let all = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok());
        let mut pairs = all.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(n, value)| n == name && hash(value) == self.cookie)
    }
}

/// Cookies are shared by all ports of a host: the name says whose it is.
fn cookie_name(port: u16) -> String {
    format!("clawgate_{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(headers: &[(&str, &str)], token: Option<&str>) -> Result<Pass, u16> {
        judge_as(false, headers, token)
    }

    fn judge_as(changes: bool, headers: &[(&str, &str)], token: Option<&str>) -> Result<Pass, u16> {
        let guard = Guard::new(8384, "the-token", "the-entry", "the-cookie");
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        guard.judge(changes, &map, token).map_err(|a| a.status.as_u16())
    }

    const HOST_IS: (&str, &str) = ("host", "127.0.0.1:8384");
    const BEARER: (&str, &str) = ("authorization", "Bearer the-token");

    #[test]
    fn hosts() {
        for host in ["127.0.0.1:8384", "localhost:8384", "LocalHost:8384", "[::1]:8384"] {
            assert_eq!(judge(&[("host", host), BEARER], None), Ok(Pass::In), "{host}");
        }
        let foreign = "evil.example evil.example:8384 127.0.0.1 127.0.0.1:80 127.0.0.1:8384.evil.example localhost.:8384";
        for host in foreign.split(' ').chain([""]) {
            assert_eq!(judge(&[("host", host), BEARER], None), Err(421), "{host}");
        }
        assert_eq!(judge(&[BEARER], None), Err(421), "no host");
        assert_eq!(judge(&[HOST_IS, ("host", "evil.example"), BEARER], None), Err(421), "two hosts");
    }

    #[test]
    fn hosts_of_the_request_line() {
        let guard = Guard::new(8384, "a", "b", "c");
        for ours in [None, Some("127.0.0.1:8384"), Some("localhost:8384")] {
            assert!(guard.target(ours).is_ok(), "{ours:?}");
        }
        for foreign in ["evil.example", "evil.example:8384", "127.0.0.1", "u@127.0.0.1:8384"] {
            assert_eq!(guard.target(Some(foreign)).unwrap_err().status.as_u16(), 421, "{foreign}");
        }
    }

    #[test]
    fn origins() {
        let with = |origin| judge(&[HOST_IS, BEARER, ("origin", origin)], None);
        assert_eq!(with("http://127.0.0.1:8384"), Ok(Pass::In));
        let foreign =
            "https://evil.example null http://127.0.0.1:3000 https://127.0.0.1:8384 http://localhost";
        for origin in foreign.split(' ') {
            assert_eq!(with(origin), Err(403), "{origin}");
        }
        let fetch =
            |site, mode| judge(&[HOST_IS, BEARER, ("sec-fetch-site", site), ("sec-fetch-mode", mode)], None);
        assert_eq!(fetch("same-origin", "cors"), Ok(Pass::In));
        assert_eq!(fetch("cross-site", "no-cors"), Err(403));
        assert_eq!(fetch("same-site", "no-cors"), Err(403), "another port of this machine");
        assert_eq!(fetch("cross-site", "navigate"), Ok(Pass::In));
        let post = [HOST_IS, BEARER, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(judge_as(true, &post, None), Err(403), "a foreign form");
    }

    #[test]
    fn secrets() {
        assert_eq!(judge(&[HOST_IS], None), Err(401));
        let wrong = [
            "Bearer the-toke",
            "Bearer",
            "Bearer the-entry",
            "Bearer the-cookie",
            "Basic the-token",
            "the-token",
        ];
        for wrong in wrong {
            assert_eq!(judge(&[HOST_IS, ("authorization", wrong)], None), Err(401), "{wrong}");
        }
        assert_eq!(judge(&[HOST_IS, ("authorization", "bearer the-token")], None), Ok(Pass::In));
        assert_eq!(judge(&[HOST_IS, ("cookie", "a=b; clawgate_8384=the-cookie")], None), Ok(Pass::In));
        for wrong in ["clawgate_8385=the-cookie", "clawgate_8384=the-token", "clawgate_8384=", "the-cookie"] {
            assert_eq!(judge(&[HOST_IS, ("cookie", wrong)], None), Err(401), "{wrong}");
        }
        assert_eq!(judge(&[HOST_IS], Some("the-entry")), Ok(Pass::Enter));
        assert_eq!(judge(&[HOST_IS], Some("the-token")), Ok(Pass::Enter));
        assert_eq!(judge(&[HOST_IS, BEARER], Some("wrong")), Err(401), "a wrong one is not passed over");
        assert_eq!(judge(&[("host", "evil.example:8384")], Some("the-entry")), Err(421));
    }
}
