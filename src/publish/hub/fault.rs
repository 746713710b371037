//! Sorts failed requests into those that may be repeated and those that may not.

use std::time::Duration;

use super::super::PublishError;

#[derive(Debug)]
pub(super) enum Fault {
    /// Another attempt may succeed.
    Wait {
        /// The time to wait, if the Hub sent `Retry-After`.
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
            412 => Fault::Stop(PublishError::Diverged { repo }),
            429 => Fault::Wait { after, error: PublishError::Server { status, during, message } },
            // 409: another commit is in progress, or the repository is being created.
            408 | 409 | 500 | 502 | 503 | 504 => {
                Fault::Wait { after, error: PublishError::Server { status, during, message } }
            }
            _ => Fault::Stop(PublishError::Server { status, during, message }),
        }
    }
}

/// The text of the innermost transport error, which is more precise than that of reqwest.
pub(super) fn transport(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
