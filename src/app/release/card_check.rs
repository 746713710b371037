//! Checks at the moment of signing that nothing but rows, card and metadata is sealed, and that card and metadata say only
//! what the rows say.
//!
//! Both are made again from the stored rows and compared byte for byte. The archive can be edited, so the texts that go into
//! them are redacted once more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::app::{App, Failure};
use crate::export::{self, Format, FormatId, Layout, is_derived};
use crate::gate::SealedFile;
use crate::redact::Redactor;
use crate::rules::Engine;
use crate::workflow::Phase;

use super::OpenRelease;
use super::build::{derived_files, descriptions, further_formats};
use super::data::PrivacyReport;
use super::evidence_check::{Fault, fault};
use super::placeholder_counts::PlaceholderCounter;
use super::sealed::{SealedRow, rows_of};
use super::session_ids::{is_session_id, named};

impl App {
    /// Returns what is sealed beside the rows and is not the card or the metadata of these rows.
    pub(super) fn card_faults(
        &self,
        open: &OpenRelease,
        files: &[SealedFile],
    ) -> Result<Vec<Fault>, Failure> {
        let draft = |what: String| fault(Phase::Draft, what);
        let layout = open.data.layout(open.id());
        let mut faults: Vec<Fault> = files
            .iter()
            .filter(|f| !layout.contains(&f.path))
            .map(|f| draft(format!("{:?} is not part of a release", f.path)))
            .collect();
        let Some(report) = &open.data.report else {
            faults.push(draft("the report of the preparation is missing".to_owned()));
            return Ok(faults);
        };
        let bytes = |path: &str| files.iter().find(|f| f.path == path).map(|f| f.bytes.as_slice());
        let mut redactor = self.second_redactor(open)?;
        let format = export::format(FormatId::Rows);
        let generated = bytes(&layout.metadata()).and_then(day_of).unwrap_or_default();
        for (path, expected) in
            descriptions(open, &redactor, &open.data.rows, report, (format, &self.config.export), generated)?
        {
            if bytes(&path) != Some(expected.as_slice()) {
                faults.push(draft(format!("{path} is not what clawgate writes about these rows")));
            }
        }
        faults.extend(derived_faults(open, files, &further_formats(open, &self.config.export))?);
        if report.rules_version != Engine::builtin()?.version() || !is_hash(&report.policy) {
            faults.push(draft("the report of the preparation has other rules".to_owned()));
        }
        faults.extend(fact_faults(open, &layout, &mut redactor));
        faults.extend(fact_differences(open, files, format)?);
        if count_differs(open, files, report, &PlaceholderCounter::new(redactor.placeholder_style())?)? {
            faults.push(draft("the numbers of redactions are not those of the rows".to_owned()));
        }
        redactor.check()?;
        Ok(faults)
    }
}

/// Files of further configurations that are not what the rows give. Then they could show what nobody read.
fn derived_faults(
    open: &OpenRelease,
    files: &[SealedFile],
    configs: &[FormatId],
) -> Result<Vec<Fault>, Failure> {
    let layout = open.data.layout(open.id());
    let rows: Vec<(String, Vec<u8>)> = files
        .iter()
        .filter(|f| layout.is_shard(&f.path))
        .map(|f| (f.path.clone(), f.bytes.clone()))
        .collect();
    let expected: BTreeMap<String, Vec<u8>> = derived_files(configs, &rows)?.into_iter().collect();
    let sealed: BTreeMap<&str, &[u8]> =
        files.iter().filter(|f| is_derived(&f.path)).map(|f| (f.path.as_str(), f.bytes.as_slice())).collect();
    let differs = |path: &str| expected.get(path).map(Vec::as_slice) != sealed.get(path).copied();
    let paths: BTreeSet<&str> = expected.keys().map(String::as_str).chain(sealed.keys().copied()).collect();
    let faults = paths.into_iter().filter(|path| differs(path));
    Ok(faults.map(|path| fault(Phase::Draft, format!("{path} is not what the rows give"))).collect())
}

/// Texts of the stored rows that would have to be redacted.
fn fact_faults(open: &OpenRelease, layout: &Layout, redactor: &mut Redactor<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for row in &open.data.rows {
        let f = &row.facts;
        let names = f.models.iter().chain(&f.main).chain(&f.project).chain([&f.agent]);
        let native = row.key.native();
        let is_private_id = !is_session_id(native) && is_private(redactor, native);
        let version = open.release.chosen.get(&row.key);
        let is_listed = layout.is_shard(&row.place.file) && version.is_some_and(|v| is_hash(&v.0));
        if is_private_id || !is_listed || names.into_iter().any(|name| is_private(redactor, name)) {
            faults.push(Fault {
                back_to: Phase::Draft,
                what: format!("the facts of {} contain values that have to be redacted", named(&row.key)),
                session: Some(row.key.clone()),
            });
        }
    }
    faults
}

/// Rows whose stored facts are not those of their sealed bytes. Card and metadata are made from these facts.
fn fact_differences(
    open: &OpenRelease,
    files: &[SealedFile],
    format: &dyn Format,
) -> Result<Vec<Fault>, Failure> {
    let differs = |row: &SealedRow| {
        let sealed = serde_json::from_str(&row.text).ok().and_then(|value| format.facts(&value));
        sealed.as_ref() != Some(&row.row.facts)
    };
    let rows = rows_of(open, files, &|_| true)?;
    let faults = rows.iter().filter(|row| differs(row)).map(|row| Fault {
        back_to: Phase::Draft,
        what: format!("the facts of {} are not those of its row", named(&row.row.key)),
        session: None,
    });
    Ok(faults.collect())
}

/// Whether the stored numbers of redactions are not those of the placeholders in the sealed rows.
fn count_differs(
    open: &OpenRelease,
    files: &[SealedFile],
    report: &PrivacyReport,
    counter: &PlaceholderCounter,
) -> Result<bool, Failure> {
    let mut total: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows_of(open, files, &|_| true)? {
        let counts = counter.count(&row.text);
        if counts != row.row.redactions {
            return Ok(true);
        }
        for (kind, n) in counts {
            *total.entry(kind).or_default() += n;
        }
    }
    Ok(total != report.redactions)
}

fn is_private(redactor: &mut Redactor<'_>, text: &str) -> bool {
    !redactor.redact_text(text).spans.is_empty()
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The day of the preparation that the metadata names.
fn day_of(metadata: &[u8]) -> Option<String> {
    let metadata: Value = serde_json::from_slice(metadata).ok()?;
    let day = metadata.get("generated")?.as_str()?;
    day.parse::<jiff::civil::Date>().ok().map(|day| day.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_the_metadata_is_a_date_and_no_other_text() {
        assert_eq!(day_of(br#"{"generated":"2026-11-20"}"#).as_deref(), Some("2026-11-20"));
        assert_eq!(day_of(br#"{"generated":"2026-11-20 and Maren Tolliver"}"#), None);
        assert_eq!(day_of(b"{}"), None);
    }
}
