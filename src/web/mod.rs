//! Floor 7: the local HTTP server: the cost engine's JSON, Prometheus metrics, and pages for people.
//!
//! Thin like the other faces: `guard` lets in who may ask, `pages` (one file a page, one line in its registry) calls
//! `app`, `answer` writes the response. Loopback only; nothing is answered without the token or the cookie.

mod answer;
mod ask;
mod guard;
mod pages;
mod serve;

pub use serve::serve;
