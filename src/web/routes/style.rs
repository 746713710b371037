//! `/style.css`: how every page looks.

use crate::app::{App, Failure};
use crate::web::request::Request;
use crate::web::response::Response;

pub(super) fn sheet(_: &mut App, _: &Request) -> Result<Response, Failure> {
    Ok(Response::text("text/css; charset=utf-8", include_str!("style.css")))
}
