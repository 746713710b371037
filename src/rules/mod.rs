//! Floor 1: what is sensitive, as data, and the one engine that finds it.
//!
//! Rules live in `data/*.toml` (one file per kind of thing); [`Engine`] compiles them once: a case-insensitive
//! Aho-Corasick over all keywords finds candidates, each rule's regex or named matcher then looks only where one
//! of its keywords stands. Imports nothing of the crate but `trace`.

mod assignment;
mod bare_identifier;
mod engine;
mod load;
mod matchers;
mod model;
mod national_id;
mod numbers;
mod postal;
mod separators;
mod stream;
mod template;
mod validate;
mod value_shape;
mod wallet;
mod word_lists;

pub use bare_identifier::bare_identifiers;
pub use engine::{Engine, Example};
pub use model::{CatalogueEntry, Class, Classes, Finding, RulesError, Severity};
pub use stream::StreamScanner;
pub use value_shape::{entropy, is_placeholder_value, is_shared_account, looks_wordy};

/// SHA-256 over the compiled-in rule data, in lower-case hex; changes when any rule does.
pub static RULES_VERSION: std::sync::LazyLock<String> = std::sync::LazyLock::new(load::version);

/// The rules that are compiled in: id, kind, class and severity of each, in file order.
///
/// # Errors
/// If a data file does not parse, which the tests rule out.
pub fn catalogue() -> Result<Vec<CatalogueEntry>, RulesError> {
    Ok(Engine::builtin()?.catalogue())
}
