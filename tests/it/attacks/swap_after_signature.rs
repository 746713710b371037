//! Between the signature and the upload the agent swaps the sealed files, the receipt and the release in the database.

use std::fs;
use std::time::{Duration, Instant};

use super::{HubWorld, database};
use crate::hub_double::Fault;
use crate::world::Ran;

/// The person signs, and an agent acts between the signature and the upload.
fn sign_while_an_agent(w: &HubWorld, acts: impl FnOnce() + Send) -> Ran {
    // The first answer of the Hub makes the upload wait for a second, which is the time that the agent needs.
    w.hub.fault("GET", "whoami", Fault::RateLimit(1));
    std::thread::scope(|scope| {
        let agent = scope.spawn(|| {
            let start = Instant::now();
            while w.hub.seen().is_empty() && start.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(1));
            }
            acts();
        });
        let signed = w.sign();
        agent.join().unwrap();
        signed
    })
}

#[test]
fn exactly_the_shown_bytes_leave_whatever_is_swapped_after_the_signature() {
    let w = HubWorld::confirmed();
    let sealed = w.sealed();
    let signed = sign_while_an_agent(&w, || {
        assert!(w.receipt().exists(), "the receipt is there before the upload begins");
        let shard = w.world.state().join("releases").join(&w.release).join("data/train-00000.jsonl");
        let text = fs::read_to_string(&shard).unwrap();
        fs::write(&shard, text.replacen("content", "CONTENT", 3)).unwrap();
        fs::write(w.receipt(), "{}").unwrap();
        let _ = fs::write(w.key_file("approvers.json"), r#"{"v":1,"approvers":[]}"#);
    });
    assert_eq!(signed.code, 0, "{}", signed.out);
    w.assert_published(&sealed);
}

#[test]
fn a_release_that_is_edited_in_the_database_after_the_signature_is_not_recorded_as_published_by_it() {
    let w = HubWorld::confirmed();
    let sealed = w.sealed();
    let signed = sign_while_an_agent(&w, || {
        let sql = "UPDATE releases SET state = replace(state, '\"private\"', '\"public\"')";
        database(&w.world).execute(sql, []).unwrap();
    });
    // The upload was allowed; what the agent wrote into the database is found when its end is recorded.
    assert!(signed.flat().contains("changed this release"), "{}", signed.out);
    w.assert_published(&sealed);
    assert_eq!(w.hub.private(super::REPO), Some(true));
}
