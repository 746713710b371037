//! The audit log: each entry's hash covers the entry before it.
//!
//! The chain proves that nothing inside it was edited, removed or moved. It cannot prove that the tail was not
//! cut off; who needs that notes the last hash elsewhere.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::canonical;
use crate::trace::Timestamp;

/// One step of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Position, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who acted.
    pub actor: String,
    /// What happened.
    pub kind: String,
    /// The release it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Facts, without secrets or session text.
    pub detail: Value,
    /// Hash of the entry before; 64 zeros for the first.
    pub prev: String,
    /// SHA-256 of this entry's canonical JSON without `hash`, lower-case hex.
    pub hash: String,
}

/// An entry before it has its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditDraft {
    /// When.
    pub at: Timestamp,
    /// Who acted.
    pub actor: String,
    /// What happened.
    pub kind: String,
    /// The release it is about.
    pub release: Option<String>,
    /// Facts, without secrets or session text.
    pub detail: Value,
}

/// Where the chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The audit log is broken at entry {seq}: {what}.")]
pub struct AuditBreak {
    /// Position that was expected.
    pub seq: u64,
    /// What is wrong there.
    pub what: String,
}

const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn hash(e: &AuditEntry) -> String {
    let body = json!({
        "seq": e.seq,
        "at": e.at,
        "actor": e.actor,
        "kind": e.kind,
        "release": e.release,
        "detail": e.detail,
        "prev": e.prev,
    });
    data_encoding::HEXLOWER.encode(&Sha256::digest(canonical(&body).as_bytes()))
}

/// The entry that follows `prev`; none starts the chain.
pub fn append(prev: Option<&AuditEntry>, draft: AuditDraft) -> AuditEntry {
    let mut entry = AuditEntry {
        seq: prev.map_or(1, |p| p.seq + 1),
        at: draft.at,
        actor: draft.actor,
        kind: draft.kind,
        release: draft.release,
        detail: draft.detail,
        prev: prev.map_or_else(|| FIRST.to_owned(), |p| p.hash.clone()),
        hash: String::new(),
    };
    entry.hash = hash(&entry);
    entry
}

/// Checks a chain from its first entry on.
pub fn verify(entries: &[AuditEntry]) -> Result<(), AuditBreak> {
    let mut prev = FIRST;
    for (seq, e) in (1u64..).zip(entries) {
        let broken = |what: String| Err(AuditBreak { seq, what });
        if e.seq != seq {
            return broken(format!("entry {} stands in its place", e.seq));
        }
        if e.prev != prev {
            return broken("it does not follow the entry before it".to_owned());
        }
        if e.hash != hash(e) {
            return broken("its content does not fit its hash".to_owned());
        }
        prev = &e.hash;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(n: u64) -> Vec<AuditEntry> {
        let mut all: Vec<AuditEntry> = Vec::new();
        for i in 0..n {
            let next = append(
                all.last(),
                AuditDraft {
                    at: Timestamp(i64::try_from(i).unwrap() * 1000),
                    actor: "agent".to_owned(),
                    kind: "prepared".to_owned(),
                    release: Some("r1".to_owned()),
                    detail: json!({"rows": i, "digest": "d"}),
                },
            );
            all.push(next);
        }
        all
    }

    #[test]
    fn a_whole_chain_holds_also_after_storage() {
        let all = chain(5);
        assert_eq!(verify(&all), Ok(()));
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(verify(&serde_json::from_str::<Vec<AuditEntry>>(&text).unwrap()), Ok(()));
        assert_eq!(verify(&[]), Ok(()));
    }

    #[test]
    fn every_edit_is_found_where_it_is() {
        type Edit = fn(&mut Vec<AuditEntry>);
        let edits: [(Edit, u64); 9] = [
            (|c| c[2].actor = "human".to_owned(), 3),
            (|c| c[2].kind = "published".to_owned(), 3),
            (|c| c[2].release = None, 3),
            (|c| c[2].detail = json!({"rows": 3}), 3),
            (|c| c[2].at = Timestamp(7), 3),
            (|c| c[2].hash = c[1].hash.clone(), 3),
            (|c| drop(c.remove(2)), 3),
            (|c| c.swap(1, 2), 2),
            (|c| drop(c.remove(0)), 1),
        ];
        for (i, (edit, at)) in edits.into_iter().enumerate() {
            let mut all = chain(5);
            edit(&mut all);
            assert_eq!(verify(&all).unwrap_err().seq, at, "edit {i}");
        }
    }

    #[test]
    fn an_entry_hashed_again_breaks_the_next_one() {
        let mut all = chain(5);
        all[2].kind = "other".to_owned();
        all[2].hash = hash(&all[2]);
        assert_eq!(verify(&all).unwrap_err().seq, 4);
    }
}
