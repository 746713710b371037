//! The licences that a dataset can have.

use crate::app::Failure;
use crate::app::text::{echo, nearest};

/// The ids that the Hub accepts for the licence of a dataset.
const LICENCES: &[&str] = &[
    "afl-3.0",
    "agpl-3.0",
    "apache-2.0",
    "apple-ascl",
    "apple-amlr",
    "artistic-2.0",
    "bigcode-openrail-m",
    "bigscience-bloom-rail-1.0",
    "bigscience-openrail-m",
    "bsd",
    "bsd-2-clause",
    "bsd-3-clause",
    "bsd-3-clause-clear",
    "bsl-1.0",
    "c-uda",
    "cc",
    "cc-by-2.0",
    "cc-by-2.5",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc-by-nc-2.0",
    "cc-by-nc-3.0",
    "cc-by-nc-4.0",
    "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0",
    "cc-by-sa-3.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "cdla-permissive-1.0",
    "cdla-permissive-2.0",
    "cdla-sharing-1.0",
    "creativeml-openrail-m",
    "deepfloyd-if-license",
    "ecl-2.0",
    "epl-1.0",
    "epl-2.0",
    "etalab-2.0",
    "eupl-1.1",
    "eupl-1.2",
    "fair-noncommercial-research-license",
    "gemma",
    "gfdl",
    "gpl",
    "gpl-2.0",
    "gpl-3.0",
    "h-research",
    "intel-research",
    "isc",
    "lgpl",
    "lgpl-2.1",
    "lgpl-3.0",
    "lgpl-lr",
    "llama2",
    "llama3",
    "llama3.1",
    "llama3.2",
    "llama3.3",
    "llama4",
    "lppl-1.3c",
    "mit",
    "mpl-2.0",
    "ms-pl",
    "ncsa",
    "odbl",
    "odc-by",
    "ofl-1.1",
    "open-mdw",
    "openmdw-1.0",
    "openrail",
    "openrail++",
    "osl-3.0",
    "other",
    "pddl",
    "postgresql",
    "unknown",
    "unlicense",
    "wtfpl",
    "zlib",
];

/// The licences that an error names, because most datasets have one of them.
const COMMON: &str = "cc-by-4.0, cc-by-sa-4.0, cc-by-nc-4.0, cc0-1.0, odc-by, odbl, mit, apache-2.0, other";

/// Returns the id of the licence that a caller named, in any case.
///
/// # Errors
/// A usage [`Failure`] that names `argument` and the common licences if the Hub does not know the licence.
pub(in crate::app) fn known_licence(argument: &str, name: &str) -> Result<&'static str, Failure> {
    let wanted = name.trim().to_lowercase();
    if let Some(known) = LICENCES.iter().find(|licence| **licence == wanted) {
        return Ok(known);
    }
    let shown = echo(name);
    let message = format!("{argument}: there is no licence {shown:?}. Common ids: {COMMON}.");
    let mut failure = Failure::usage("bad_licence", message);
    failure.unmatched = Box::new([name.to_owned()]);
    if let Some(near) = nearest(&wanted, LICENCES.iter().copied()) {
        failure = failure.hint(format!("did you mean `{near}`?"));
    }
    Err(failure.hint("the Hub's list is at https://huggingface.co/docs/hub/repositories-licenses"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_licence_is_refused_and_case_does_not_matter() {
        assert_eq!(known_licence("--licence", "CC-BY-4.0").unwrap(), "cc-by-4.0");
        let f = known_licence("--licence", "cc-by-40").unwrap_err();
        assert_eq!((f.code.as_str(), f.exit_code()), ("bad_licence", 2));
        assert!(f.message.starts_with("--licence") && f.message.contains("cc-by-40"), "{f}");
        assert_eq!(f.hints[0], "did you mean `cc-by-4.0`?");
        let mut sorted = LICENCES.to_vec();
        sorted.dedup();
        assert_eq!(sorted.len(), LICENCES.len());
    }
}
