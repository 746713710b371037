//! The ledger of several machines: written as JSON Lines on one, read in on another, as often as one likes.
//!
//! A line is one record of a request with its key, so that a request which stands in the ledgers of two machines (a
//! synchronised folder) counts once. No file path and no text of a conversation is in it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::{FileState, UsageFilter, UsageResult, device_of, device_path};
use crate::trace::{
    Confidence, PromptChain, SessionFacts, SessionKey, Timestamp, Tokens, ToolPromptTokens, UsageRow,
};

use crate::app::{App, Failure};

const FORMAT: &str = "clawgate-ledger";
const VERSION: u32 = 1;

/// No line of ours is longer.
const LINE_LIMIT: u64 = 1 << 20;

/// Records are stored in batches of about so many.
const BATCH_ROWS: usize = 5_000;

/// Lines that are named when they cannot be used.
const NAMED: usize = 20;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    device: String,
    exported: Timestamp,
}

/// One line; optional fields are left out where they say nothing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Stands for the file, without its path: the records of one file stay together.
    file: String,
    key: String,
    session: String,
    at: Timestamp,
    model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    tokens: Tokens,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reported_picousd: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fast: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    geo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service_tier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subagent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skill: Option<String>,
    #[serde(default)]
    offset: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    copied: bool,
    #[serde(default)]
    confidence: Confidence,
    #[serde(default)]
    chain: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    added: Vec<(String, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
}

impl Line {
    fn of(file: &str, row: UsageRow, facts: SessionFacts) -> Self {
        let digest = Sha256::digest(file.as_bytes());
        Line {
            file: data_encoding::HEXLOWER.encode(&digest)[..16].to_owned(),
            key: row.dedupe_key,
            session: row.session.0,
            at: row.at,
            model: row.model,
            provider: row.provider,
            tokens: row.tokens,
            reported_picousd: row.reported_picousd,
            fast: row.fast,
            geo: row.geo,
            service_tier: row.service_tier,
            subagent: row.subagent,
            skill: row.skill,
            offset: row.offset,
            copied: row.copied,
            confidence: row.confidence,
            chain: match row.chain {
                PromptChain::Detached => 0,
                PromptChain::Start => 1,
                PromptChain::Continuation => 2,
            },
            added: row.tool_tokens.into_iter().map(|a| (a.tool, a.tokens)).collect(),
            project: facts.project,
            started: facts.started,
            ended: facts.ended,
        }
    }

    fn into_row(self) -> Option<(String, UsageRow, SessionFacts)> {
        let name = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric());
        let (agent, id) = self.session.split_once(':')?;
        if !name(&self.file) || agent.is_empty() || id.is_empty() || self.key.is_empty() {
            return None;
        }
        let session = SessionKey(self.session.clone());
        let facts = SessionFacts {
            key: session.clone(),
            project: self.project,
            started: self.started,
            ended: self.ended,
        };
        let row = UsageRow {
            dedupe_key: self.key,
            session,
            at: self.at,
            model: self.model,
            provider: self.provider,
            tokens: self.tokens,
            chain: match self.chain {
                1 => PromptChain::Start,
                2 => PromptChain::Continuation,
                _ => PromptChain::Detached,
            },
            tool_tokens: self
                .added
                .into_iter()
                .map(|(tool, tokens)| ToolPromptTokens { tool, tokens })
                .collect(),
            // As the readers have it: a cost is more than nothing.
            reported_picousd: self.reported_picousd.filter(|p| *p > 0),
            fast: self.fast,
            geo: self.geo,
            service_tier: self.service_tier,
            subagent: self.subagent,
            skill: self.skill,
            offset: self.offset,
            copied: self.copied,
            confidence: self.confidence,
        };
        Some((self.file, row, facts))
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportedLedger {
    /// Name of this machine.
    pub device: String,
    /// Records of requests.
    pub records: u64,
}

/// What was read in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportedLedger {
    /// The machine.
    pub device: String,
    /// Records of requests in the file.
    pub records: u64,
    /// Requests that count now and did not before.
    pub new_requests: u64,
    /// Lines that could not be used.
    pub skipped: u64,
    /// The first of them: line and reason.
    pub skipped_lines: Vec<(u64, String)>,
}

impl App {
    /// Name of this machine in exported ledgers: the one given, the configuration's, or one made up once.
    fn device(&self, asked: Option<&str>) -> Result<String, Failure> {
        let named = asked.or(self.config.cost.device.as_deref());
        let name = match named {
            Some(name) => name.to_owned(),
            None => {
                let random = crate::app::random::random_bytes::<3>()?;
                let made_up = format!("machine-{}", data_encoding::HEXLOWER.encode(&random));
                self.archive.meta_or_insert("device", &made_up)?
            }
        };
        check_device(&name)?;
        Ok(name)
    }

    /// Writes this machine's ledger, what others sent left out.
    ///
    /// # Errors
    /// [`Failure`] where the name is none, the archive refuses or nothing can be written.
    pub fn export_ledger(
        &mut self,
        device: Option<&str>,
        out: &mut dyn Write,
    ) -> Result<ExportedLedger, Failure> {
        let device = self.device(device)?;
        self.refresh_usage()?;
        let io = |e: std::io::Error| Failure::failed("output", format!("cannot write the ledger: {e}"));
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            device: device.clone(),
            exported: self.now(),
        };
        write_line(out, &header).map_err(io)?;
        let (mut records, mut failed) = (0, None);
        self.archive.for_each_record(&mut |path, row, facts| {
            if device_of(path).is_some() {
                return true;
            }
            records += 1;
            failed = write_line(out, &Line::of(path, row, facts)).err();
            failed.is_none()
        })?;
        failed.map_or(Ok(()), |e| Err(io(e)))?;
        out.flush().map_err(io)?;
        Ok(ExportedLedger { device, records })
    }

    /// Reads the ledger of another machine in; again changes nothing.
    ///
    /// # Errors
    /// [`Failure`] where it is no ledger, is this machine's own, or the archive refuses.
    pub fn import_ledger(&mut self, input: &mut dyn BufRead) -> Result<ImportedLedger, Failure> {
        let no_ledger = || {
            Failure::usage("no_ledger", "This is no ledger that clawgate wrote, or one of a newer version.")
                .hint("clawgate cost export --output FILE on the other machine")
        };
        let mut lines = BoundedLines { input, number: 0 };
        let first = lines.next()?.ok_or_else(no_ledger)?.1.ok_or_else(no_ledger)?;
        let header: Header = serde_json::from_slice(&first).map_err(|_| no_ledger())?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(no_ledger());
        }
        check_device(&header.device)?;
        let own = self.config.cost.device.clone().or(self.archive.meta("device")?);
        if own.as_ref() == Some(&header.device) {
            let message = format!("This ledger is of a machine called {:?}, as this one is.", header.device);
            return Err(Failure::usage("own_ledger", message)
                .hint("clawgate cost export --device NAME on the other machine"));
        }
        let before = self.counted_requests()?;
        let mut report = ImportedLedger {
            device: header.device,
            records: 0,
            new_requests: 0,
            skipped: 0,
            skipped_lines: Vec::new(),
        };
        let mut best = self.best_of(&report.device)?;
        let mut batch: Vec<Piece> = Vec::new();
        let mut held = 0;
        while let Some((number, line)) = lines.next()? {
            self.ctx.check()?;
            let parsed = match &line {
                Some(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => continue,
                Some(bytes) => serde_json::from_slice::<Line>(bytes)
                    .map_err(|e| format!("not a record ({:?} at column {})", e.classify(), e.column()))
                    .and_then(|l| l.into_row().ok_or_else(|| "a record without session or key".to_owned())),
                None => Err(format!("longer than {LINE_LIMIT} bytes")),
            };
            match parsed {
                Ok((file, row, facts)) => {
                    report.records += 1;
                    let path = device_path(&report.device, &file);
                    let again = match best.entry(record_hash(&path, &row)) {
                        // An older ledger after a newer one, with an answer that was still being written.
                        Entry::Occupied(known) if known.get().output > row.tokens.output => continue,
                        Entry::Occupied(mut known) => known.insert(Best::of(&row, true)).here,
                        Entry::Vacant(new) => {
                            new.insert(Best::of(&row, true));
                            false
                        }
                    };
                    if again {
                        forget_earlier(&mut batch, &path, &row);
                    }
                    held += 1;
                    match batch.last_mut().filter(|p| p.path == path && p.facts == facts) {
                        Some(piece) => piece.rows.push(row),
                        None => {
                            // The records of one file and session stay in one piece, so that their order holds.
                            if held > BATCH_ROWS {
                                self.put_pieces(&mut batch)?;
                                held = 1;
                            }
                            batch.push(Piece { path, facts, rows: vec![row] });
                        }
                    }
                }
                Err(reason) => {
                    report.skipped += 1;
                    if report.skipped_lines.len() < NAMED {
                        report.skipped_lines.push((number, reason));
                    }
                }
            }
        }
        self.put_pieces(&mut batch)?;
        report.new_requests = self.counted_requests()?.saturating_sub(before);
        Ok(report)
    }

    fn put_pieces(&mut self, batch: &mut Vec<Piece>) -> Result<(), Failure> {
        let state = FileState { inode: 0, size: 0, mtime_ns: 0, reader: 0 };
        let results: Vec<UsageResult<'_>> = batch
            .iter()
            .map(|p| UsageResult {
                path: &p.path,
                agent: p.facts.key.agent(),
                state: &state,
                facts: std::slice::from_ref(&p.facts),
                rows: &p.rows,
            })
            .collect();
        self.archive.put_usage(&results)?;
        batch.clear();
        Ok(())
    }

    /// The answers that the ledger holds of a machine.
    fn best_of(&self, device: &str) -> Result<HashMap<u64, Best>, Failure> {
        let mut best: HashMap<u64, Best> = HashMap::new();
        self.archive.for_each_record(&mut |path, row, _| {
            if device_of(path) == Some(device) {
                let known = best.entry(record_hash(path, &row)).or_insert_with(|| Best::of(&row, false));
                known.output = known.output.max(row.tokens.output);
            }
            true
        })?;
        Ok(best)
    }

    fn counted_requests(&self) -> Result<u64, Failure> {
        let mut n = 0;
        self.archive.for_each_request(UsageFilter::default(), &mut |_| n += 1)?;
        Ok(n)
    }
}

/// How much of an answer is known of a record, and whether from the ledger that is being read in.
struct Best {
    output: u64,
    here: bool,
}

impl Best {
    fn of(row: &UsageRow, here: bool) -> Self {
        Best { output: row.tokens.output, here }
    }
}

/// Stands for a record: its file, session and key.
fn record_hash(path: &str, row: &UsageRow) -> u64 {
    let mut hash = DefaultHasher::new();
    (path, row.session.as_str(), &row.dedupe_key).hash(&mut hash);
    hash.finish()
}

/// Takes an earlier record of the same request out of what is to be stored: no file of ours holds one twice.
fn forget_earlier(batch: &mut [Piece], path: &str, row: &UsageRow) {
    for piece in batch.iter_mut().filter(|p| p.path == path && p.facts.key == row.session) {
        piece.rows.retain(|r| r.dedupe_key != row.dedupe_key);
    }
}

/// Records of one file and session.
struct Piece {
    path: String,
    facts: SessionFacts,
    rows: Vec<UsageRow>,
}

fn check_device(name: &str) -> Result<(), Failure> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let says = name.chars().any(char::is_alphanumeric);
    if says && name.chars().count() <= 64 && name.chars().all(fits) {
        return Ok(());
    }
    Err(Failure::usage(
        "bad_device",
        "A machine's name has a letter or a digit and at most 64 of letters, digits, spaces, dots, dashes and underscores.",
    ))
}

fn write_line<T: Serialize>(out: &mut dyn Write, value: &T) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    out.write_all(&line)
}

/// A line with its number; without its bytes where it is too long.
type Numbered = (u64, Option<Vec<u8>>);

struct BoundedLines<'a> {
    input: &'a mut dyn BufRead,
    number: u64,
}

impl BoundedLines<'_> {
    /// The next line; `None` at the end.
    fn next(&mut self) -> Result<Option<Numbered>, Failure> {
        let io = |e: std::io::Error| Failure::failed("input", format!("cannot read the ledger: {e}"));
        let mut line = Vec::new();
        if (&mut *self.input).take(LINE_LIMIT).read_until(b'\n', &mut line).map_err(io)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.len() as u64 == LINE_LIMIT && !line.ends_with(b"\n") {
            self.input.skip_until(b'\n').map_err(io)?;
            return Ok(Some((self.number, None)));
        }
        Ok(Some((self.number, Some(line))))
    }
}
