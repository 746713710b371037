//! Refusals as data, and what is due next.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ArchiveFacts, AttestationKind, Phase, Release};

/// Why a move was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// No scan exists.
    NotScanned,
    /// The scope is not confirmed.
    ScopeNotConfirmed,
    /// No session is chosen.
    NothingChosen,
    /// The release is not prepared, or something changed since.
    NotPrepared,
    /// A preparation contradicts itself or the chosen sessions.
    BadPreparation,
    /// The destination or its licence is not set.
    DestinationMissing,
    /// Findings, entities or rows still wait for the reviewer.
    ReviewIncomplete,
    /// The reader overlooked too much of what was planted.
    ReaderBelowFloor,
    /// The row that was read is not one of the release's present rows.
    RowNotCurrent,
    /// What was given is not over the present digest.
    DigestNotCurrent,
    /// The attestation has no words.
    WordsMissing,
    /// The evidence does not bear the attestation out.
    EvidenceMissing,
    /// The person's name stands in the bytes.
    NameFound,
    /// The attestations are not all given.
    NotConfirmed,
    /// Only a human can make this move.
    HumanNeeded,
    /// The receipt approves something else.
    ReceiptMismatch,
    /// The receipt ran out.
    ReceiptExpired,
    /// The receipt was used or voided before.
    ReceiptUsed,
    /// The receipt's assurance level is too low.
    AssuranceTooLow,
    /// The bytes about to be sent are not those that were approved.
    BytesChanged,
    /// An upload is under way.
    PublishUnderWay,
    /// No upload is under way.
    NotPublishing,
    /// The destination holds other bytes than those approved.
    ReadBackDiffers,
    /// The release is approved; publish it, or change something first.
    AlreadyApproved,
    /// The release is published and stays as it is.
    AlreadyPublished,
    /// The release was taken back.
    Withdrawn,
}

impl RefusalCode {
    /// One short sentence for people.
    pub fn meaning(self) -> &'static str {
        match self {
            RefusalCode::NotScanned => "no scan exists yet",
            RefusalCode::ScopeNotConfirmed => "the scope is not confirmed",
            RefusalCode::NothingChosen => "no session is chosen",
            RefusalCode::NotPrepared => "the release is not prepared, or something changed since",
            RefusalCode::BadPreparation => "the preparation does not fit the release",
            RefusalCode::DestinationMissing => "the destination is not complete",
            RefusalCode::ReviewIncomplete => "the review is not complete",
            RefusalCode::ReaderBelowFloor => "the reader overlooked too much, so the reading does not count",
            RefusalCode::RowNotCurrent => "the row is not one of the release's present rows",
            RefusalCode::DigestNotCurrent => "this is not about the present digest",
            RefusalCode::WordsMissing => "the attestation has no words",
            RefusalCode::EvidenceMissing => "the evidence does not bear this out",
            RefusalCode::NameFound => "the person's name stands in the files",
            RefusalCode::NotConfirmed => "the attestations are not all given",
            RefusalCode::HumanNeeded => "a human is needed",
            RefusalCode::ReceiptMismatch => "the receipt approves something else",
            RefusalCode::ReceiptExpired => "the receipt ran out",
            RefusalCode::ReceiptUsed => "the receipt was used or voided before",
            RefusalCode::AssuranceTooLow => "the receipt's assurance level is too low",
            RefusalCode::BytesChanged => "the files are not those that were approved",
            RefusalCode::PublishUnderWay => "an upload is under way",
            RefusalCode::NotPublishing => "no upload is under way",
            RefusalCode::ReadBackDiffers => "the destination holds other bytes than those approved",
            RefusalCode::AlreadyApproved => "the release is already approved",
            RefusalCode::AlreadyPublished => "the release is published and stays as it is",
            RefusalCode::Withdrawn => "the release was taken back",
        }
    }
}

/// What is due: the tool for an agent, the command for a terminal, and what only a human can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStep {
    /// Name of the MCP tool.
    pub tool: String,
    /// Command line.
    pub command: String,
    /// What to ask the person for, where a human has to act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human_action: Option<String>,
}

impl NextStep {
    fn new(tool: &str, command: impl Into<String>) -> Self {
        NextStep { tool: tool.to_owned(), command: command.into(), human_action: None }
    }

    fn ask(mut self, action: impl Into<String>) -> Self {
        self.human_action = Some(action.into());
        self
    }

    pub(super) fn prepare() -> Self {
        NextStep::new("prepare_release", "clawgate prepare")
    }

    pub(super) fn review(id: &str) -> Self {
        NextStep::new("review_pii", format!("clawgate review {id}"))
    }

    pub(super) fn confirm(id: &str) -> Self {
        NextStep::new("confirm", format!("clawgate confirm {id}"))
    }

    pub(super) fn publish(id: &str) -> Self {
        NextStep::new("publish", format!("clawgate publish {id}"))
    }

    pub(super) fn sign(id: &str) -> Self {
        NextStep::new("publish", format!("clawgate sign {id}")).ask(sign_action(id))
    }

    pub(super) fn status() -> Self {
        NextStep::new("status", "clawgate")
    }
}

/// What an agent tells the person when a signature is due.
pub fn sign_action(release: &str) -> String {
    format!(
        "Ask the person to run `clawgate sign {release}` in their own terminal. It shows what would leave and \
         asks for their passphrase there; an agent neither runs it nor asks for the passphrase."
    )
}

impl ArchiveFacts {
    /// What is due before there is a release.
    pub fn next_step(&self) -> NextStep {
        if !self.scanned {
            NextStep::new("scan", "clawgate scan")
        } else if !self.scope_confirmed {
            NextStep::new("set_scope", "clawgate scope --confirm")
                .ask("Ask the person which projects may be used, and have them confirm the scope.")
        } else {
            NextStep::new("triage", "clawgate approve KEY...")
        }
    }
}

/// What is due for a release.
pub fn next_step(release: &Release) -> NextStep {
    let id = &release.id;
    match release.phase {
        Phase::Published => return NextStep::status(),
        Phase::Withdrawn => return NextStep::prepare(),
        Phase::Draft | Phase::Prepared | Phase::Reviewed | Phase::Confirmed | Phase::Approved => {}
    }
    if release.in_flight.is_some() {
        return NextStep::status();
    }
    if release.sealed.is_none() && (!release.archive.scanned || !release.archive.scope_confirmed)
        || release.chosen.is_empty()
    {
        return release.archive.next_step();
    }
    if !release.seal_is_current() {
        return NextStep::prepare();
    }
    match release.phase {
        Phase::Draft => NextStep::prepare(),
        Phase::Prepared => NextStep::review(id),
        Phase::Reviewed if !release.destination_missing().is_empty() => NextStep::prepare()
            .ask("Ask the person where the release goes, who may see it and under which licence."),
        Phase::Reviewed => NextStep::confirm(id)
            .ask("Ask the person for the missing statements, and hand over their own words."),
        Phase::Confirmed if !release.archive.scope_confirmed => release.archive.next_step(),
        Phase::Confirmed => NextStep::sign(id),
        Phase::Approved => NextStep::publish(id),
        Phase::Published | Phase::Withdrawn => NextStep::status(),
    }
}

/// A refused move: what is wrong and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// Where the release stands.
    pub state: Phase,
    /// Where it would have to stand; none where no state allows the move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_state: Option<Phase>,
    /// What is missing, in words.
    pub missing: Vec<String>,
    /// Tool that does what is due.
    pub next_tool: String,
    /// Command that does what is due.
    pub next_command: String,
    /// What to ask the person for, where a human has to act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human_action: Option<String>,
}

impl Refusal {
    /// A refusal that says what is due for the release.
    pub(super) fn of(release: &Release, code: RefusalCode, required: Option<Phase>) -> Self {
        Refusal::with(release.phase, code, required, next_step(release))
    }

    pub(super) fn with(state: Phase, code: RefusalCode, required: Option<Phase>, next: NextStep) -> Self {
        Refusal {
            code,
            state,
            required_state: required,
            missing: Vec::new(),
            next_tool: next.tool,
            next_command: next.command,
            human_action: next.human_action,
        }
    }

    /// A refusal of a move on a release that does not exist yet; says what is due first.
    pub fn without_release(archive: &ArchiveFacts, required: Phase) -> Self {
        let (code, missing) = if !archive.scanned {
            (RefusalCode::NotScanned, "a scan")
        } else if !archive.scope_confirmed {
            (RefusalCode::ScopeNotConfirmed, "a confirmed scope")
        } else {
            (RefusalCode::NothingChosen, "approved sessions")
        };
        Refusal::with(Phase::Draft, code, Some(required), archive.next_step()).missing([missing.to_owned()])
    }

    pub(super) fn missing(mut self, what: impl IntoIterator<Item = String>) -> Self {
        self.missing.extend(what);
        self
    }

    pub(super) fn next(mut self, next: NextStep) -> Self {
        self.next_tool = next.tool;
        self.next_command = next.command;
        self.human_action = next.human_action;
        self
    }

    /// Whether nothing but a human's own act helps (exit code 4).
    pub fn needs_human(&self) -> bool {
        matches!(
            self.code,
            RefusalCode::HumanNeeded
                | RefusalCode::NameFound
                | RefusalCode::ReceiptExpired
                | RefusalCode::ReceiptUsed
                | RefusalCode::ReceiptMismatch
                | RefusalCode::AssuranceTooLow
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused: {} (state: {}", self.code.meaning(), self.state)?;
        if let Some(required) = self.required_state.filter(|r| *r != self.state) {
            write!(f, ", needed: {required}")?;
        }
        f.write_str(").")?;
        if !self.missing.is_empty() {
            write!(f, " Missing: {}.", self.missing.join("; "))?;
        }
        write!(f, " Next: `{}` (tool `{}`).", self.next_command, self.next_tool)?;
        if let Some(action) = &self.human_action {
            write!(f, " {action}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// What must be true before an attestation counts.
pub(super) fn attestation_words(kind: AttestationKind) -> String {
    format!("the {} statement in the person's words", kind.name())
}
