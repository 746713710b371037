//! `GET /api/sessions?n=5`: the dearest sessions.

use crate::app::cost::ClassicParams;
use crate::app::{App, Failure};
use crate::web::answer::Answer;
use crate::web::ask::Ask;

use super::timezone;

/// Sessions in one answer, however many are asked for.
const MOST: u32 = 10_000;

pub(super) fn answer(app: &mut App, ask: &Ask) -> Result<Answer, Failure> {
    let sessions = Some(ask.number("n", 5).min(MOST));
    let all =
        app.classic(&ClassicParams { sessions, timezone: timezone(ask), ..ClassicParams::default() })?;
    Answer::json(&all.sessions)
}
