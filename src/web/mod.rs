//! Layer 7: the local HTTP server with the JSON API of cost, Prometheus metrics and a page for people.
//!
//! `auth` decides who may send requests, `routes` (one file an endpoint group, one line a route in its registry) calls
//! `app`, and `response` writes the answer. The server listens on loopback only, and answers nothing without the token
//! or the cookie.

mod auth;
mod html;
mod refusals;
mod request;
mod response;
mod routes;
mod serve;

pub use serve::serve;
