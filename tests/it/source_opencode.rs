//! Databases of OpenCode 2, through the binary.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::world::{World, ok};

const CREATED: i64 = 1_795_168_800_000; // 2026-11-20 10:00 UTC

/// Creates the tables of version 2, and those of version 1 that stay beside them.
fn database(world: &World) -> Connection {
    let path = world.home().join(".local/share/opencode/opencode.db");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let db = Connection::open(path).unwrap();
    db.execute_batch(
        "CREATE TABLE session(id TEXT PRIMARY KEY, parent_id TEXT, directory TEXT, title TEXT, version TEXT, time_updated INTEGER);
         CREATE TABLE message(id TEXT PRIMARY KEY, session_id TEXT, time_created INTEGER, time_updated INTEGER, data TEXT);
         CREATE TABLE part(id TEXT PRIMARY KEY, message_id TEXT, session_id TEXT, data TEXT);
         CREATE TABLE session_v2(id TEXT PRIMARY KEY, parent_id TEXT, fork_session_id TEXT, fork_boundary TEXT, directory TEXT,
           title TEXT, version TEXT, time_updated INTEGER);
         CREATE TABLE session_message(id TEXT PRIMARY KEY, session_id TEXT, type TEXT, seq INTEGER, time_created INTEGER,
           time_updated INTEGER, data TEXT);",
    )
    .unwrap();
    db
}

fn add_session(db: &Connection, id: &str, fork_of: Option<&str>) {
    let sql = "INSERT INTO session_v2 VALUES(?1, NULL, ?2, NULL, '/home/ivo/src/teahouse', 'Move the kettle', '2.0.8', ?3)";
    db.execute(sql, (id, fork_of, CREATED)).unwrap();
}

fn add_message(db: &Connection, session: &str, seq: i64, kind: &str, data: &Value) {
    let sql = "INSERT INTO session_message VALUES(?1, ?2, ?3, ?4, ?5, ?5, ?6)";
    let id = format!("msg_{session}_{seq}");
    db.execute(sql, (id, session, kind, seq, CREATED, data.to_string())).unwrap();
}

fn tokens(input: u64) -> Value {
    json!({"input": input, "output": 40, "reasoning": 10, "cache": {"read": 5, "write": 7}})
}

fn answer(minute: i64, input: u64) -> Value {
    let created = CREATED + minute * 60_000;
    json!({"agent": "build", "model": {"id": "claude-sonnet-4-6", "providerID": "anthropic"}, "tokens": tokens(input), "cost": 0.5,
        "time": {"created": created, "completed": created + 900},
        "content": [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "moved"},
            {"type": "tool", "id": "call_1", "name": "shell", "time": {"created": created}, "state": {"status": "completed",
                "input": {"command": "mv a b"}, "content": [{"type": "text", "text": "done"}], "metadata": {"exit": 0}}}]})
}

/// Adds the session of one answered prompt and of a compaction.
fn add_conversation(db: &Connection, session: &str, fork_of: Option<&str>) {
    add_session(db, session, fork_of);
    let prompt = json!({"text": "move the kettle", "time": {"created": CREATED}});
    add_message(db, session, 1, "user", &prompt);
    add_message(db, session, 2, "assistant", &answer(1, 100));
    add_message(db, session, 3, "model-switched", &json!({"model": {"id": "x", "providerID": "y"}}));
    let summary = json!({"status": "completed", "reason": "auto", "summary": "kettle moved", "recent": "",
        "model": {"id": "claude-haiku-4-5", "providerID": "anthropic"}, "tokens": tokens(3000), "cost": 0.25,
        "time": {"created": CREATED + 90_000}});
    add_message(db, session, 4, "compaction", &summary);
}

#[test]
fn a_database_of_version_2_is_read_and_the_copies_of_a_fork_count_once() {
    let world = World::new(&[]);
    let db = database(&world);
    add_conversation(&db, "ses_1", None);
    add_conversation(&db, "ses_2", Some("ses_1"));
    add_message(&db, "ses_2", 5, "assistant", &answer(9, 20_000));
    let report = || ok(&world, &["cost", "--by", "session", "--json"]);
    let before = report();
    let total = &before["total"];
    assert_eq!(
        (&total["requests"], &total["input"], &total["output"]),
        (&json!(3), &json!(23_100), &json!(150))
    );
    assert_eq!(ok(&world, &["cost", "verify", "--json"])["different"], 0);
    ok(&world, &["scan", "--json"]);
    assert_eq!(report()["total"], before["total"], "after a scan");
    let session = ok(&world, &["show", "opencode:ses_1", "--json"]);
    let text = session["messages"].to_string();
    for part in ["move the kettle", "moved", "mv a b", "done", "kettle moved"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let list = ok(&world, &["inbox", "--json"]);
    let fork = list["sessions"].as_array().unwrap().iter().find(|s| s["key"] == "opencode:ses_2").unwrap();
    assert_eq!(fork["forked_from"], "opencode:ses_1");
}

#[test]
fn a_session_of_version_1_that_version_2_copied_counts_once() {
    let world = World::new(&[]);
    let db = database(&world);
    add_conversation(&db, "ses_1", None);
    for session in ["ses_1", "ses_old"] {
        let sql = "INSERT INTO session VALUES(?1, NULL, '/home/ivo/src/teahouse', 'Old', '1.18.0', ?2)";
        db.execute(sql, (session, CREATED)).unwrap();
        let data = json!({"role": "assistant", "modelID": "claude-sonnet-4-6", "providerID": "anthropic", "tokens": tokens(7),
            "time": {"created": CREATED + i64::from(session == "ses_old"), "completed": CREATED + 500}});
        let sql = "INSERT INTO message VALUES('msg_' || ?1, ?1, ?2, ?2, ?3)";
        db.execute(sql, (session, CREATED, data.to_string())).unwrap();
    }
    let report = ok(&world, &["cost", "--by", "session", "--json"]);
    assert_eq!(report["total"]["requests"], 3, "one of `ses_old`, two of the copied session");
    assert_eq!(report["total"]["input"], 3107);
}

const PROJECT: &str = "296bc376ef5f848531caebde8bb46465f80e746a";

/// Returns the number of sessions of each project.
fn projects(world: &World) -> Vec<(String, u64)> {
    ok(world, &["scan", "--json"]);
    let list = ok(world, &["list", "--json"]);
    let name = |p: &Value| (p["name"].as_str().unwrap().to_owned(), p["sessions"].as_u64().unwrap());
    let mut projects: Vec<_> = list["projects"].as_array().unwrap().iter().map(name).collect();
    projects.sort();
    projects
}

#[test]
fn a_deleted_worktree_belongs_to_the_repository_of_its_project() {
    let world = World::new(&[]);
    let data = world.home().join(".local/share/opencode");
    fs::create_dir_all(&data).unwrap();
    // A further clone has the same project, but it exists.
    let clone = world.home().join("clone");
    fs::create_dir_all(clone.join(".git")).unwrap();
    let own = data.join("worktree").join(PROJECT).join("calm-cabin");
    let sessions = [
        (PROJECT, "/home/ivo/src/tea"),
        (PROJECT, own.to_str().unwrap()),
        (PROJECT, "/home/ivo/elsewhere/fix/src"),
        (PROJECT, "/home/ivo/src/tea/api"),
        (PROJECT, clone.to_str().unwrap()),
        ("global", "/home/ivo/notes"),
    ];
    let records = [(PROJECT, "/home/ivo/src/tea"), ("global", "/")];
    let expected = [("api", 1), ("clone", 1), ("notes", 1), ("tea", 3)].map(|(p, n)| (p.to_owned(), n));
    let prompt = json!({"role": "user", "time": {"created": CREATED}});
    let text = json!({"type": "text", "text": "boil"});

    let storage = data.join("storage");
    let write = |path: String, content: Value| {
        let path = storage.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.to_string()).unwrap();
    };
    for (id, worktree) in records {
        write(format!("project/{id}.json"), json!({"id": id, "worktree": worktree}));
    }
    for (n, (project, directory)) in sessions.iter().enumerate() {
        let session = json!({"id": format!("ses_{n}"), "projectID": project, "directory": directory});
        write(format!("session/{project}/ses_{n}.json"), session);
        write(format!("message/ses_{n}/msg_{n}.json"), prompt.clone());
        write(format!("part/msg_{n}/prt_1.json"), text.clone());
    }
    assert_eq!(projects(&world), expected, "JSON files");

    fs::remove_dir_all(&storage).unwrap();
    fs::remove_dir_all(world.state()).unwrap();
    let db = database(&world);
    db.execute_batch(
        "CREATE TABLE project(id TEXT PRIMARY KEY, worktree TEXT);
         ALTER TABLE session ADD COLUMN project_id TEXT;",
    )
    .unwrap();
    for record in records {
        db.execute("INSERT INTO project VALUES(?1, ?2)", record).unwrap();
    }
    for (n, (project, directory)) in sessions.iter().enumerate() {
        let id = format!("ses_{n}");
        let sql = "INSERT INTO session(id, project_id, directory, time_updated) VALUES(?1, ?2, ?3, ?4)";
        db.execute(sql, (&id, project, directory, CREATED)).unwrap();
        let sql = "INSERT INTO message VALUES(?1, ?2, ?3, ?3, ?4)";
        db.execute(sql, (format!("msg_{n}"), &id, CREATED, prompt.to_string())).unwrap();
        let sql = "INSERT INTO part VALUES(?1, ?2, ?3, ?4)";
        db.execute(sql, (format!("prt_{n}"), format!("msg_{n}"), &id, text.to_string())).unwrap();
    }
    drop(db);
    assert_eq!(projects(&world), expected, "database");
}
