//! Sorts failed requests into those that may be repeated and those that may not.

use std::time::Duration;

use reqwest::header::HeaderMap;

use super::super::PublishError;

#[derive(Debug)]
pub(super) enum Fault {
    /// Another attempt may succeed.
    Wait {
        /// The time to wait, if the Hub named one: see [`wait_of`].
        after: Option<Duration>,
        /// The error to report after the last attempt.
        error: PublishError,
    },
    /// Another attempt would fail in the same way.
    Stop(PublishError),
}

impl Fault {
    pub(super) fn error(&self) -> &PublishError {
        match self {
            Fault::Wait { error, .. } | Fault::Stop(error) => error,
        }
    }

    /// Returns the fault of a request without a response that can be used.
    pub(super) fn lost(during: &'static str, why: impl Into<String>) -> Self {
        Fault::Wait { after: None, error: PublishError::Unreachable { during, why: why.into() } }
    }

    /// A response with an error status. `message` must already be cleaned.
    pub(super) fn of_status(
        status: u16,
        after: Option<Duration>,
        repo: &str,
        during: &'static str,
        message: String,
    ) -> Self {
        let repo = repo.to_owned();
        match status {
            401 => Fault::Stop(PublishError::BadToken),
            403 => Fault::Stop(PublishError::Forbidden { repo, message }),
            301 | 302 | 307 | 308 => Fault::Stop(PublishError::Moved { repo }),
            412 => Fault::Stop(PublishError::HeadMoved { repo }),
            429 => Fault::Wait { after, error: PublishError::Server { status, during, message } },
            // 409: another commit is in progress, or the repository is being created.
            408 | 409 | 500 | 502 | 503 | 504 => {
                Fault::Wait { after, error: PublishError::Server { status, during, message } }
            }
            _ => Fault::Stop(PublishError::Server { status, during, message }),
        }
    }
}

/// The time that an answer asks to wait: `Retry-After` in seconds, else the rest of the window of `RateLimit` if nothing is
/// left of it (`"api";r=0;t=55`).
pub(super) fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(seconds) = text("retry-after").and_then(|t| t.parse().ok()) {
        return Some(Duration::from_secs(seconds));
    }
    let mut fields = text("ratelimit")?.split(';').filter_map(|field| field.trim().split_once('='));
    let (mut left, mut seconds) = (None, None);
    for (name, value) in fields.by_ref() {
        match name {
            "r" => left = value.parse::<u64>().ok(),
            "t" => seconds = value.parse::<u64>().ok(),
            _ => {}
        }
    }
    // The window ends within that second.
    (left == Some(0)).then(|| seconds.map(|t| Duration::from_secs(t.saturating_add(1)))).flatten()
}

/// The text of the innermost transport error, which is more precise than that of reqwest.
pub(super) fn transport(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_comes_from_either_header_of_the_hub() {
        let wait = |headers: &[(&'static str, &str)]| {
            let headers: HeaderMap =
                headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
            wait_of(&headers).map(|d| d.as_secs())
        };
        assert_eq!(wait(&[("retry-after", "7"), ("ratelimit", "\"api\";r=0;t=55")]), Some(7));
        assert_eq!(wait(&[("ratelimit", "\"api\";r=0;t=55")]), Some(56));
        assert_eq!(wait(&[("ratelimit", "\"api\"; r=0; t=1")]), Some(2));
        assert_eq!(wait(&[("ratelimit", "\"api\";r=3;t=55")]), None, "the window is not used up");
        for odd in ["", "\"api\"", "r=0", "r=0;t=x", "r=0;t=-1", "t=5"] {
            assert_eq!(wait(&[("ratelimit", odd)]), None, "{odd}");
        }
        assert_eq!(wait(&[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")]), None);
    }
}
