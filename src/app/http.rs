//! Sends JSON in an HTTP POST request to an address that the user configured: a webhook or a collector.
//!
//! Does not follow redirects. Errors do not contain the address, because webhook addresses contain secrets.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Url, redirect};

use crate::app::Failure;
use crate::publish::is_loopback;

/// Maximum duration of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of bytes that are read of a response.
const MAX_RESPONSE_BYTES: usize = 64 << 10;

/// A POST request.
pub(in crate::app) struct Post<'a> {
    pub url: &'a str,
    pub headers: &'a [(String, String)],
    pub body: &'a str,
}

/// Parses an address. It must use http or https. With headers, which contain keys, it must use https or be a loopback
/// address.
///
/// # Errors
/// [`Failure`] with the reason, without the address.
pub(in crate::app) fn check(url: &str, with_headers: bool) -> Result<Url, Failure> {
    let bad = |why: &str| Failure::usage("bad_url", format!("The address cannot be used: {why}."));
    let parsed = Url::parse(url).map_err(|_| bad("it is not a URL"))?;
    let plain = match parsed.scheme() {
        "https" => false,
        "http" => true,
        _ => return Err(bad("it is neither http nor https")),
    };
    if !parsed.has_host() {
        return Err(bad("it names no host"));
    }
    if plain && with_headers && !is_loopback(&parsed) {
        return Err(bad("plain http would show the headers to the network; use https"));
    }
    Ok(parsed)
}

/// Sends a request. Returns the beginning of the response body if the status is 2xx.
///
/// # Errors
/// [`Failure`] with the status or the cause.
pub(in crate::app) fn post(p: &Post<'_>) -> Result<Vec<u8>, Failure> {
    let url = check(p.url, !p.headers.is_empty())?;
    let failed = |why: String| Failure::failed("post", why);
    let mut headers = HeaderMap::new();
    for (name, value) in p.headers {
        let name = HeaderName::try_from(name).map_err(|_| failed("A header has an invalid name.".into()))?;
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| failed(format!("The header {name} has an invalid value.")))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("clawgate/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .timeout(REQUEST_TIMEOUT);
    if is_loopback(&url) {
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(|_| failed("Cannot make an HTTP client.".into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| failed(format!("Cannot start: {e}")))?;
    let answer = runtime.block_on(async {
        let mut answer = client.post(url).headers(headers).body(p.body.to_owned()).send().await?;
        let mut said = Vec::new();
        // What is said beyond success is a courtesy: an answer that breaks off is none the less one.
        while said.len() < MAX_RESPONSE_BYTES
            && answer.status().is_success()
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            said.extend_from_slice(chunk.get(..MAX_RESPONSE_BYTES - said.len()).unwrap_or(&chunk));
        }
        Ok((answer.status(), said))
    });
    match answer {
        Ok((status, said)) if status.is_success() => Ok(said),
        Ok((status, _)) => Err(failed(format!("It answered with status {}.", status.as_u16()))),
        Err(e) => {
            let e: reqwest::Error = e;
            Err(failed(
                match (e.is_timeout(), e.is_connect()) {
                    (true, _) => "It did not answer in time.",
                    (_, true) => "It cannot be reached.",
                    _ => "The connection broke.",
                }
                .into(),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_only_sent_over_https_or_to_loopback() {
        let code = |url: &str, headers| check(url, headers).map_err(|f| f.code).err();
        for (url, headers) in [
            ("https://c.example/v1", true),
            ("http://127.0.0.1:4318", true),
            ("http://[::1]:4318", true),
            ("http://c.lan:4318", false),
        ] {
            assert_eq!(code(url, headers), None, "{url}");
        }
        for (url, headers) in [
            ("http://c.lan:4318", true),
            ("ftp://c", false),
            ("c.example", false),
            ("file:///x", false),
            ("", false),
        ] {
            assert_eq!(code(url, headers).as_deref(), Some("bad_url"), "{url}");
        }
    }
}
