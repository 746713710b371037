//! Responses: bodies, statuses, and the headers that every one of them carries.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::app::{Failure, Kind};

/// A page may load what this server serves, and nothing else; it runs no inline script and cannot be framed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a page that only says something may do: nothing.
const NOWHERE: &str = "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

static ALWAYS: [(HeaderName, &str); 7] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What a page answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub kind: &'static str,
    pub body: Vec<u8>,
    /// Where a browser goes on.
    pub location: Option<String>,
    /// A cookie to keep.
    pub cookie: Option<String>,
    /// The one style sheet that may stand in the page itself.
    pub style: Option<&'static str>,
}

impl Answer {
    fn new(status: StatusCode, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Answer { status, kind, body: body.into(), location: None, cookie: None, style: None }
    }

    /// A value as JSON.
    pub(super) fn json<T: Serialize>(value: &T) -> Result<Self, Failure> {
        let body = serde_json::to_vec(value).map_err(|e| Failure::failed("json", e.to_string()))?;
        Ok(Answer::new(StatusCode::OK, "application/json", body))
    }

    /// A page.
    pub(super) fn html(body: String) -> Self {
        Answer::new(StatusCode::OK, "text/html; charset=utf-8", body)
    }

    /// An error as a page for a person. It brings its style along: who is not let in gets no style sheet either.
    pub(super) fn for_people(self, words: &str) -> Self {
        let style = include_str!("pages/style.css");
        let body = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>clawgate</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n<style>{style}</style>\n</head>\n<body>\n<main>\n\
             <header><h1>clawgate</h1></header>\n<section>\n{words}\n</section>\n</main>\n</body>\n</html>\n"
        );
        Answer { kind: "text/html; charset=utf-8", body: body.into_bytes(), style: Some(style), ..self }
    }

    /// Text of a kind.
    pub(super) fn text(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Answer::new(StatusCode::OK, kind, body)
    }

    /// An error in the shape that every one has.
    pub(super) fn error(status: StatusCode, code: &str, message: &str, hint: Option<&str>) -> Self {
        let body = json!({ "error": message, "code": code, "hint": hint }).to_string();
        Answer::new(status, "application/json", body)
    }

    /// Sends a browser on.
    pub(super) fn go(location: &str, cookie: Option<String>) -> Self {
        let mut out = Answer::new(StatusCode::SEE_OTHER, "text/plain", "");
        out.location = Some(location.to_owned());
        out.cookie = cookie;
        out
    }

    /// The response. What cannot be a header is left out: only our own values go there.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let unauthorized = self.status == StatusCode::UNAUTHORIZED;
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in &ALWAYS {
            headers.insert(name.clone(), HeaderValue::from_static(value));
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        if let Some(style) = self.style {
            let hash = data_encoding::BASE64.encode(&Sha256::digest(style));
            let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; img-src data:; {NOWHERE}");
            if let Ok(policy) = HeaderValue::try_from(policy) {
                headers.insert(CONTENT_SECURITY_POLICY, policy);
            }
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"clawgate\""));
        }
        for (name, value) in [(LOCATION, self.location), (SET_COOKIE, self.cookie)] {
            if let Some(value) = value.and_then(|v| HeaderValue::try_from(v).ok()) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl From<Failure> for Answer {
    fn from(f: Failure) -> Self {
        let status = match f.kind {
            Kind::Usage if f.code.starts_with("no_such") => StatusCode::NOT_FOUND,
            Kind::Usage => StatusCode::BAD_REQUEST,
            Kind::Refused => StatusCode::CONFLICT,
            Kind::HumanNeeded => StatusCode::FORBIDDEN,
            Kind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut body = json!({ "error": f.message, "code": f.code, "hint": f.hints.first() });
        if let Some(refusal) = &f.refusal {
            body["refusal"] = json!(refusal);
        }
        Answer::new(status, "application/json", body.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_their_status() {
        let status = |kind, code| Answer::from(Failure::new(kind, code, "x")).status.as_u16();
        assert_eq!(status(Kind::Usage, "bad_timezone"), 400);
        assert_eq!(status(Kind::Usage, "no_such_session"), 404);
        assert_eq!(status(Kind::Refused, "not_prepared"), 409);
        assert_eq!(status(Kind::HumanNeeded, "no_keys"), 403);
        assert_eq!(status(Kind::Failed, "archive"), 500);
        assert_eq!(status(Kind::Cancelled, "cancelled"), 503);
    }

    #[test]
    fn every_response_carries_the_guarding_headers() {
        let response = Answer::error(StatusCode::UNAUTHORIZED, "a", "b", None).into_response();
        let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        assert!(header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"));
        assert_eq!(header("cache-control").as_deref(), Some("no-store"));
        assert!(header("www-authenticate").is_some());
        assert_eq!(header("access-control-allow-origin"), None);
    }
}
