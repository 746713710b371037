//! Sends JSON in an HTTP POST request to an address that the user configured: a webhook or a collector.
//!
//! Does not follow redirects. Errors do not contain the address, because webhook addresses contain secrets.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Url, redirect};

use crate::app::Failure;
use crate::publish::{client_builder, is_loopback};

/// Maximum duration of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of bytes that are read of a response.
const MAX_RESPONSE_BYTES: usize = 64 << 10;

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

/// Sends requests to one address. It can send several, for instance after a failure.
pub(in crate::app) struct Poster {
    url: Url,
    headers: HeaderMap,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

fn failed(why: impl Into<String>) -> Failure {
    Failure::failed("post", why.into())
}

impl Poster {
    /// Prepares requests to an address that passes [`check`].
    ///
    /// # Errors
    /// [`Failure`] if the address or a header is invalid, or no client can be made.
    pub(in crate::app) fn new(url: &str, headers: &[(String, String)]) -> Result<Self, Failure> {
        let url = check(url, !headers.is_empty())?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(|_| failed("A header has an invalid name."))?;
            let mut value = HeaderValue::try_from(value)
                .map_err(|_| failed(format!("The header {name} has an invalid value.")))?;
            value.set_sensitive(true);
            map.insert(name, value);
        }
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut builder = client_builder()
            .user_agent(concat!("clawgate/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .timeout(REQUEST_TIMEOUT);
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|_| failed("Cannot make an HTTP client."))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| failed(format!("Cannot start: {e}")))?;
        Ok(Poster { url, headers: map, client, runtime })
    }

    /// Sends a JSON body. Returns the beginning of the response body if the status is 2xx.
    ///
    /// # Errors
    /// [`Failure`] with the status or the cause.
    pub(in crate::app) fn post(&self, body: &str) -> Result<Vec<u8>, Failure> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body.to_owned());
        let response: Result<_, reqwest::Error> = self.runtime.block_on(async {
            let mut response = request.send().await?;
            let mut start = Vec::new();
            // The status decides. A response body that breaks off does not turn success into a failure.
            while start.len() < MAX_RESPONSE_BYTES
                && response.status().is_success()
                && let Ok(Some(chunk)) = response.chunk().await
            {
                start.extend_from_slice(chunk.get(..MAX_RESPONSE_BYTES - start.len()).unwrap_or(&chunk));
            }
            Ok((response.status(), start))
        });
        match response {
            Ok((status, start)) if status.is_success() => Ok(start),
            Ok((status, _)) => Err(failed(format!("It answered with status {}.", status.as_u16()))),
            Err(e) if e.is_timeout() => Err(failed("It did not answer in time.")),
            Err(e) if e.is_connect() => Err(failed("It cannot be reached.")),
            Err(_) => Err(failed("The connection broke.")),
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
