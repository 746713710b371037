//! Making a release's files: redaction over all chosen sessions, rows, card and metadata; nothing is written yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::export::{self, Format, Packer, RowFacts, RowMeta, Summary, SummaryHead};
use crate::redact::Redactor;
use crate::rules::Engine;
use crate::trace::{SessionKey, Version};
use crate::workflow::Target;

use crate::app::release::prepare::{EntityCounts, value_id};
use crate::app::release::privacy::Parties;
use crate::app::release::{EntityKeep, Open, Private, RowKeep, key_of};
use crate::app::release::{Party, PrivacyReport};
use crate::app::text::escape_hidden_json;
use crate::app::{App, Failure};

/// What redaction and export made, before it is sealed.
pub(in crate::app) struct Made {
    pub files: Vec<(String, Vec<u8>)>,
    pub rows: Vec<RowKeep>,
    pub versions: BTreeMap<SessionKey, Version>,
    pub report: PrivacyReport,
    pub entities: Vec<EntityKeep>,
    pub parties: Vec<Party>,
}

/// What one pass over the sessions made.
#[derive(Default)]
struct Pass {
    packer: Packer,
    rows: Vec<RowKeep>,
    inventory: BTreeMap<(String, String), (u64, BTreeSet<SessionKey>)>,
    parties: Parties,
    report: PrivacyReport,
}

/// A value that a later session gives away makes the earlier rows stale: so many passes at most.
const PASSES: usize = 4;

/// Kinds of known values that still stand in the files, with the file.
fn survivors(redactor: &Redactor<'_>, files: &[(String, Vec<u8>)]) -> BTreeSet<String> {
    let scanner = redactor.sealed_scanner();
    let mut out = BTreeSet::new();
    for (path, bytes) in files {
        for hit in scanner.scan(bytes) {
            // Card and metadata are our own words: a name that is also an ordinary word means nothing there.
            let ours = !path.starts_with("data/") && (hit.whole_word || hit.rule == "custom");
            if !ours {
                out.insert(format!("{} in {path}", hit.kind));
            }
        }
    }
    out
}

impl App {
    pub(in crate::app) fn make(&self, open: &Open, private: &Private) -> Result<Made, Failure> {
        let engine = Engine::builtin()?;
        let options = self.export_options(&open.extra);
        let format =
            export::format(&options.format).map_err(|e| Failure::usage("bad_format", e.to_string()))?;
        let chosen = &open.release.chosen;
        let detectors = self.detectors()?;
        let policy = self.policy_for(&options)?;
        let mut redactor = Redactor::new(engine, policy, key_of(&private.key)?).with_detectors(&detectors);
        redactor.add_values(&private.reported.iter().cloned().collect::<Vec<_>>());
        let decided = self.redact_decisions(&open.release.id)?;
        let local = self.local_key()?;
        let mut redacted: BTreeMap<String, EntityKeep> = BTreeMap::new();
        let learn =
            |redactor: &mut Redactor<'_>, redacted: &mut BTreeMap<String, EntityKeep>, e: EntityKeep| {
                let fresh = decided.contains(&e.id) && !redacted.contains_key(&e.id);
                if fresh {
                    redactor.add_values(&[(e.kind.clone(), e.value.clone())]);
                    redacted.insert(e.id.clone(), e);
                }
                fresh
            };
        for e in &private.entities {
            learn(&mut redactor, &mut redacted, e.clone());
        }
        for (done, (key, version)) in (0..).zip(chosen) {
            self.ctx.check()?;
            self.ctx.progress.report("looking for names and secrets", done, chosen.len() as u64);
            if let Some(session) = self.archive.load(key.as_str(), Some(&version.0))? {
                redactor.collect(&session);
            }
        }
        let others: Vec<SessionKey> =
            self.archive.with_secrets()?.into_iter().filter(|k| !chosen.contains_key(k)).collect();
        for (done, key) in (0..).zip(&others) {
            self.ctx.check()?;
            self.ctx.progress.report("looking for secrets in other sessions", done, others.len() as u64);
            if let Some(session) = self.archive.load(key.as_str(), None)? {
                redactor.collect_elsewhere(&session);
            }
        }
        let mut left = BTreeSet::new();
        for _ in 0..PASSES {
            let known_values = redactor.known_values();
            let mut pass = self.pass(&mut redactor, chosen, format, options.thinking)?;
            detectors.check()?;
            let found: Vec<EntityKeep> = std::mem::take(&mut pass.inventory)
                .into_iter()
                .map(|((kind, value), (count, sessions))| EntityKeep {
                    id: value_id(&local, &kind, &value),
                    kind,
                    value,
                    count,
                    sessions,
                })
                .collect();
            // Decided in an earlier release: redacted here too.
            let mut again = false;
            for e in &found {
                again |= learn(&mut redactor, &mut redacted, e.clone());
            }
            if again {
                continue;
            }
            let mut entities: BTreeMap<String, EntityKeep> = redacted.clone();
            entities.extend(found.into_iter().map(|e| (e.id.clone(), e)));
            let entities: Vec<EntityKeep> = entities.into_values().collect();
            let mut report = std::mem::take(&mut pass.report);
            report.entities = self.count(&open.release.id, &entities, &decided)?;
            report.rules_version = engine.version().to_owned();
            report.thinking = options.thinking;
            report.timestamps.clone_from(&options.timestamps);
            report.pseudonyms.clone_from(&options.pseudonyms);
            let known = Private { entities: entities.clone(), ..private.clone() };
            report.policy = self.policy_hash(&open.release.id, &open.extra, &known)?;
            let rows = std::mem::take(&mut pass.rows);
            let files = self.files_of(open, pass.packer, &rows, &report, format);
            // The last look, at exactly the bytes that would leave.
            let survivors = survivors(&redactor, &files);
            if survivors.is_empty() {
                let parties = std::mem::take(&mut pass.parties).across();
                return Ok(Made { files, rows, versions: chosen.clone(), report, entities, parties });
            }
            left = survivors;
            if redactor.known_values() == known_values {
                break;
            }
        }
        let kinds: Vec<String> = left.into_iter().collect();
        Err(Failure::failed(
            "value_survived",
            format!("Values that must not leave would still stand in the files ({}); nothing was sealed.", kinds.join(", ")),
        )
        .hint("clawgate config --redact \"THE VALUE\", then clawgate prepare; please report what kind of text it was"))
    }

    fn count(
        &self,
        id: &str,
        entities: &[EntityKeep],
        decided: &BTreeSet<String>,
    ) -> Result<EntityCounts, Failure> {
        let kept = self.kept_values(id)?;
        let count = |f: &dyn Fn(&EntityKeep) -> bool| entities.iter().filter(|e| f(e)).count() as u64;
        let redacted = count(&|e| decided.contains(&e.id));
        let kept = count(&|e| kept.contains(&e.id));
        let total = entities.len() as u64;
        Ok(EntityCounts { total, redacted, kept, undecided: total - redacted - kept })
    }

    fn pass(
        &self,
        redactor: &mut Redactor<'_>,
        chosen: &BTreeMap<SessionKey, Version>,
        format: &dyn Format,
        thinking: bool,
    ) -> Result<Pass, Failure> {
        let mut pass = Pass::default();
        let keys: Vec<&str> = chosen.keys().map(SessionKey::as_str).collect();
        let usage = self.usage_of(&keys)?;
        for (done, (key, version)) in (0..).zip(chosen) {
            self.ctx.check()?;
            self.ctx.progress.report("redacting", done, chosen.len() as u64);
            let Some(session) = self.archive.load(key.as_str(), Some(&version.0))? else {
                pass.report
                    .left_out
                    .push((key.clone(), "this version is no longer in the archive".to_owned()));
                continue;
            };
            let redacted = redactor.redact_session(&session);
            let project = self.archive.session(key.as_str())?.and_then(|s| s.project);
            let mut meta = RowMeta::new(version.clone());
            meta.project = project.map(|p| redactor.redact_text(&p).text);
            meta.tokens = usage.get(key.as_str()).map(|u| u.0).unwrap_or_default();
            meta.thinking = thinking;
            let bytes = export::row_bytes(format, &redacted.session, &meta)
                .map_err(|e| Failure::failed("export", e.to_string()))?;
            let text =
                String::from_utf8(bytes).map_err(|_| Failure::failed("export", "A row is not UTF-8."))?;
            let place = match pass.packer.push(key.as_str(), escape_hidden_json(&text).as_bytes()) {
                Ok(place) => place,
                Err(e) => {
                    pass.report.left_out.push((key.clone(), e.to_string()));
                    continue;
                }
            };
            for e in redacted.entities {
                let (count, sessions) = pass.inventory.entry((e.kind, e.value)).or_default();
                *count += e.count;
                sessions.insert(key.clone());
            }
            pass.report.rows_touched += u64::from(!redacted.counts.is_empty());
            for (kind, n) in &redacted.counts {
                *pass.report.redactions.entry(kind.clone()).or_default() += n;
            }
            pass.parties.add(key, &redacted.findings);
            let mut examples = BTreeMap::new();
            for f in &redacted.findings {
                examples.entry(f.kind.clone()).or_insert_with(|| f.masked.clone());
                pass.report.examples.entry(f.kind.clone()).or_insert_with(|| f.masked.clone());
            }
            pass.rows.push(RowKeep {
                key: key.clone(),
                sha256: place.sha256,
                file: place.file,
                offset: place.offset,
                bytes: place.bytes,
                facts: RowFacts::of(&redacted.session, &meta),
                redactions: redacted.counts,
                examples,
            });
        }
        Ok(pass)
    }

    fn files_of(
        &self,
        open: &Open,
        packer: Packer,
        rows: &[RowKeep],
        report: &PrivacyReport,
        format: &dyn Format,
    ) -> Vec<(String, Vec<u8>)> {
        let destination = open.release.destination.as_ref();
        let mut summary = Summary::new(SummaryHead {
            repo: destination.and_then(|d| match &d.target {
                Target::Hub { repo, .. } => Some(repo.clone()),
                Target::Folder { .. } => None,
            }),
            licence: destination.and_then(|d| d.licence.clone()),
            generated: self.now().to_jiff().strftime("%Y-%m-%d").to_string(),
            format: format.id().to_owned(),
            rules_version: report.rules_version.clone(),
            policy: report.policy.clone(),
            clawgate_version: env!("CARGO_PKG_VERSION").to_owned(),
        });
        for r in rows {
            let place = export::RowPlace {
                file: r.file.clone(),
                offset: r.offset,
                bytes: r.bytes,
                sha256: r.sha256.clone(),
            };
            let version = open.release.chosen.get(&r.key).map_or("", |v| v.0.as_str());
            summary.add(&r.facts, r.key.native(), version, &place);
        }
        for (kind, n) in &report.redactions {
            summary.redacted(kind, *n);
        }
        let mut files: Vec<(String, Vec<u8>)> =
            packer.finish().files.into_iter().map(|f| (f.path, f.bytes)).collect();
        files.push(("README.md".to_owned(), export::card(&summary, format)));
        files.push(("metadata.json".to_owned(), export::metadata(&summary)));
        files
    }
}
