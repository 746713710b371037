//! Sorts failed requests: worth another try, or not.

use std::time::Duration;

use hf_hub::HFError;

use super::super::PublishError;

/// A failed request.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another try may succeed, after this long where the Hub said so.
    Wait {
        /// `Retry-After`.
        after: Option<Duration>,
        /// What to report when tries run out.
        error: PublishError,
    },
    /// Another try would fail in the same way.
    Stop(PublishError),
}

impl Fault {
    /// What happened.
    pub(super) fn error(&self) -> &PublishError {
        match self {
            Fault::Wait { error, .. } | Fault::Stop(error) => error,
        }
    }

    /// No usable answer.
    pub(super) fn lost(during: &'static str, why: impl Into<String>) -> Self {
        Fault::Wait { after: None, error: PublishError::Unreachable { during, why: why.into() } }
    }

    /// An answer with an error status. `message` is cleaned already.
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

    /// An error of hf-hub. `clean` takes the token out of a text and shortens it.
    pub(super) fn of_hf(
        error: HFError,
        repo: &str,
        during: &'static str,
        clean: impl Fn(&str) -> String,
    ) -> Self {
        // hf-hub does not export the context's type, so all answers meet in one place instead of a helper.
        let (context, after) = match error {
            HFError::Http { context }
            | HFError::AuthRequired { context }
            | HFError::Forbidden { context }
            | HFError::Conflict { context }
            | HFError::RepoNotFound { context: Some(context), .. }
            | HFError::RevisionNotFound { context: Some(context), .. }
            | HFError::EntryNotFound { context: Some(context), .. } => (context, None),
            HFError::RateLimited { retry_after, context } => (context, retry_after),
            HFError::Request { source, .. } => return Fault::lost(during, clean(&transport(&source))),
            // A cut or garbled answer: the request may have been carried out.
            HFError::Json(_) | HFError::MalformedResponse { .. } | HFError::Io(_) => {
                return Fault::lost(during, clean(&error.to_string()));
            }
            other => {
                return Fault::Stop(PublishError::Unreachable { during, why: clean(&other.to_string()) });
            }
        };
        let message = clean(context.server_message.as_deref().unwrap_or(&context.body));
        Fault::of_status(context.status.as_u16(), after, repo, during, message)
    }
}

/// The innermost text of a transport error, which says more than reqwest's own.
pub(super) fn transport(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
