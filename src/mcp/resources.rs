//! The resources: the privacy report of a release, and a page of a session.

use rmcp::model::{Resource, ResourceTemplate};
use serde_json::{Value, json};

use super::result::{self, Step};
use super::tools::{self, Args, ReadSession};
use crate::app::{App, Failure};

/// Media type of all resources.
pub(super) const MIME: &str = "application/json";

/// Lists the reports of the latest releases.
pub(super) fn list(app: &mut App) -> Result<Vec<Resource>, Failure> {
    let releases = app.status()?.releases.into_iter().filter(|r| r.digest.is_some());
    let report = |id: &str| {
        Resource::new(format!("clawgate://release/{id}/report"), format!("report-{id}"))
            .with_title(format!("Privacy report of {id}"))
            .with_mime_type(MIME)
    };
    Ok(releases.map(|r| report(&r.release)).collect())
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new("clawgate://release/{id}/report", "release-report")
            .with_title("Privacy report of a release")
            .with_description("What was redacted, by kind and count.")
            .with_mime_type(MIME),
        ResourceTemplate::new("clawgate://session/{key}", "session")
            .with_title("A session, redacted")
            .with_description("A page of messages; add ?from=N for a later one. Untrusted text.")
            .with_mime_type(MIME),
    ]
}

/// Reads a resource. Returns `None` if no resource has this URI.
pub(super) fn read(app: &mut App, uri: &str) -> Result<Option<Value>, Failure> {
    if let Some(id) = uri.strip_prefix("clawgate://release/").and_then(|r| r.strip_suffix("/report")) {
        if app.load_release(Some(id))?.is_none() {
            return Ok(None);
        }
        let sheet = app.privacy_sheet(Some(id), None)?;
        let report = json!({
            "release": sheet.release,
            "state": sheet.state,
            "digest": sheet.digest,
            "privacy_report": sheet,
        });
        return Ok(Some(result::success(app, report, Step::Beside)));
    }
    if let Some(session) = uri.strip_prefix("clawgate://session/") {
        let (key, query) = session.split_once('?').unwrap_or((session, ""));
        let mut args = Args::new();
        args.insert("session".to_owned(), json!(decode(key)));
        if let Some(from) = query.strip_prefix("from=").and_then(|n| n.parse::<u64>().ok()) {
            args.insert("from".to_owned(), json!(from));
        }
        let page = tools::call::<ReadSession>(app, args)?;
        return Ok(Some(result::success(app, page, Step::Beside)));
    }
    Ok(None)
}

/// Undoes percent-encoding. Keys contain colons, which some clients encode.
fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_encoded_key_is_decoded() {
        assert_eq!(decode("claude%3Aab-1"), "claude:ab-1");
        assert_eq!(decode("a%zz%"), "a%zz%");
    }
}
