//! No page is answered: the agent writes the records of reading, the statements and the phase into the database.

use super::{assert_published, database, keys, sign, sign_refused, stored};
use crate::world::{World, confirm, review_to_end};

/// Ends the audit log after the last `kind`, which leaves a valid chain. The rest of the archive keeps the records.
fn forget_after(world: &World, kind: &str) {
    let db = database(world);
    let sql =
        "DELETE FROM audit WHERE seq > (SELECT max(seq) FROM audit WHERE json_extract(entry, '$.kind') = ?1)";
    assert!(db.execute(sql, [kind]).unwrap() > 0);
}

#[test]
fn reading_and_statements_that_the_audit_log_does_not_have_are_not_signed() {
    for (last, back_to) in [("prepared", "prepared"), ("reviewed", "reviewed")] {
        let world = World::new(&["claude-2.1.329"]);
        let release = world.confirmed();
        // The key comes later, because its file contains the signed end of the log.
        forget_after(&world, last);
        keys(&world);
        let refused = sign_refused(&world, &release);
        assert_eq!(refused.code, 3, "{}", refused.out);
        assert_eq!(stored(&world, &release).0["phase"], back_to, "{}", refused.out);
        // The way out: the steps whose evidence did not count.
        let mut app = world.app();
        let pages = review_to_end(&mut app);
        assert_eq!(pages > 0, back_to == "prepared", "invented pages are read again");
        confirm(&mut app).unwrap();
        drop(app);
        let signed = sign(&world, &release);
        assert_eq!(signed.code, 0, "{}", signed.out);
        assert_published(&world, &release);
    }
}

#[test]
fn invented_pages_and_a_forged_phase_are_not_signed() {
    let world = World::new(&["claude-2.1.329"]);
    // What the attacker copies: an honest review in another home.
    let other = World::new(&["claude-2.1.329"]);
    other.confirmed();
    let release = world.prepared();
    keys(&world);
    let db = database(&world);
    let (mut state, extra) = stored(&world, &release);
    for row in extra["rows"].as_array().unwrap() {
        let sql = "INSERT INTO served(release, row_sha256, start, stop, round, chunk_sha256, nonce, reviewer, served, \
                   answered, verdict) VALUES(?1, ?2, 0, ?3, 0, ?2, 'n' || ?2, 'person', 1, 1, 'none')";
        let (sha, bytes) = (row["sha256"].as_str().unwrap(), row["bytes"].as_i64().unwrap());
        db.execute(sql, rusqlite::params![release, sha, bytes]).unwrap();
        state["read"][sha] = serde_json::json!({ "by": "person", "at": "2026-11-20T00:00:00Z" });
    }
    drop(db);
    let statement =
        serde_json::json!({ "words": "Everything was read.", "by": "person", "at": "2026-11-20T00:00:00Z" });
    state["attestations"] =
        serde_json::json!({ "full_name": statement, "entities": statement, "manual_scan": statement });
    state["name_scan"] = serde_json::json!({ "result": "clean" });
    state["phase"] = "confirmed".into();
    super::store(&world, &release, &state.to_string(), &extra.to_string());
    // The root is what the program itself computes over the invented pages.
    let shown = sign_refused(&world, &release);
    assert!(matches!(shown.code, 3 | 4), "{}", shown.out);
    assert_eq!(stored(&world, &release).0["phase"], "prepared", "{}", shown.out);
}
