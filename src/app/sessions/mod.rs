//! Use cases of sessions: list, show, search, triage, scope and forget.

pub(crate) mod forget;
pub(crate) mod list;
pub(crate) mod search;
pub(crate) mod segments;
pub(crate) mod show;
pub(crate) mod triage;

pub use forget::{ForgetParams, ForgetPlan, ForgetReport};
pub use list::{InboxPage, InboxParams, ProjectList, SessionItem};
pub use search::{SearchHit, SearchPage, SearchParams};
pub use segments::{SegmentItem, SegmentParams, SegmentReport};
pub use show::{SessionPage, ShowParams};
pub use triage::{TriageParams, TriageReport};
