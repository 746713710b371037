//! `GET /api/health`: whether the server answers and its archive opens.

use serde_json::json;

use crate::app::{App, Failure};
use crate::web::answer::Answer;
use crate::web::ask::Ask;

pub(super) fn answer(_: &mut App, _: &Ask) -> Result<Answer, Failure> {
    Answer::json(&json!({ "status": "ok" }))
}
