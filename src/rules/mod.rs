//! Floor 1: what is sensitive, as data, and the one engine that finds it.
//!
//! Rules live in `data/*.toml` (one file per kind of thing); [`Engine`] compiles them once: a case-insensitive
//! Aho-Corasick over all keywords finds candidates, each rule's regex or named matcher then looks only where one
//! of its keywords stands. Imports nothing of the crate but `trace`.

mod assign;
mod engine;
mod ids;
mod joins;
mod load;
mod lone;
mod matchers;
mod model;
mod numeric;
mod postal;
mod shape;
mod stream;
mod template;
mod validate;
mod wallet;
mod words;

pub use engine::{Engine, Example};
pub use lone::lone_ids;
pub use model::{CatalogueEntry, Class, Classes, Finding, RulesError, Severity};
pub use shape::{entropy, is_placeholder_value, is_shared_account, looks_wordy};
pub use stream::StreamScanner;

/// SHA-256 over the compiled-in rule data, in lower-case hex; changes when any rule does.
pub static RULES_VERSION: std::sync::LazyLock<String> = std::sync::LazyLock::new(load::version);

/// The rules that are compiled in: id, kind, class and severity of each, in file order.
///
/// # Errors
/// If a data file does not parse, which the tests rule out.
pub fn catalogue() -> Result<Vec<CatalogueEntry>, RulesError> {
    Ok(Engine::builtin()?.catalogue())
}
