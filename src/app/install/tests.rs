//! Tests of the installation on odd configuration files: what was there before is there afterwards, byte for byte.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::syntax::Syntax;
use super::value_path::{Step, keys};
use super::*;
use crate::testing::cases;

/// A home directory with an agent's configuration.
struct Home {
    tmp: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Home { tmp: tempfile::tempdir().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        // The directory for temporary files can be a link.
        self.tmp.path().canonicalize().unwrap()
    }

    fn env(&self) -> Env {
        Env::bare(self.dir(), self.dir().join(".clawgate"))
    }

    fn params(&self, agent: &str) -> UpdateSkillParams {
        UpdateSkillParams {
            agent: agent.to_owned(),
            program: PathBuf::from("/opt/clawgate/bin/clawgate"),
            ..UpdateSkillParams::default()
        }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir().join(path)).unwrap()
    }

    fn install(&self, agent: &str) -> Result<UpdateSkillReport, Failure> {
        update_skill(&self.env(), &self.params(agent))
    }

    fn remove(&self, agent: &str) -> Result<UpdateSkillReport, Failure> {
        update_skill(&self.env(), &UpdateSkillParams { remove: true, ..self.params(agent) })
    }

    /// Returns the paths and contents of all files except clawgate's own.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        for entry in walkdir::WalkDir::new(self.dir()).sort_by_file_name() {
            let path = entry.unwrap().into_path();
            if !path.starts_with(self.dir().join(".clawgate")) {
                let bytes = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
                files.push((path, bytes));
            }
        }
        files
    }
}

/// The user's configuration file of each agent, and the path of the server in it.
const CONFIGS: &[(&str, &str, Syntax, &[&str])] = &[
    ("claude", ".claude.json", Syntax::Json, &["mcpServers", "clawgate"]),
    ("codex", ".codex/config.toml", Syntax::Toml, &["mcp_servers", "clawgate"]),
    ("openclaw", ".openclaw/openclaw.json", Syntax::Json, &["mcp", "servers", "clawgate"]),
    ("gemini", ".gemini/settings.json", Syntax::Json, &["mcpServers", "clawgate"]),
    ("opencode", ".config/opencode/opencode.json", Syntax::Json, &["mcp", "clawgate"]),
    ("kimi", ".kimi/mcp.json", Syntax::Json, &["mcpServers", "clawgate"]),
    ("cline", ".cline/data/settings/cline_mcp_settings.json", Syntax::Json, &["mcpServers", "clawgate"]),
    ("qwen", ".qwen/settings.json", Syntax::Json, &["mcpServers", "clawgate"]),
    ("copilot", ".copilot/mcp-config.json", Syntax::Json, &["mcpServers", "clawgate"]),
    ("goose", ".config/goose/config.yaml", Syntax::Yaml, &["extensions", "clawgate"]),
    ("amp", ".config/amp/settings.json", Syntax::Json, &["amp.mcpServers", "clawgate"]),
    (
        "roo",
        ".config/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        Syntax::Json,
        &["mcpServers", "clawgate"],
    ),
    ("kilo", ".config/kilo/kilo.jsonc", Syntax::Json, &["mcp", "clawgate"]),
    ("continue", ".continue/mcpServers/clawgate.json", Syntax::Json, &["mcpServers", "clawgate"]),
    ("droid", ".factory/mcp.json", Syntax::Json, &["mcpServers", "clawgate"]),
    ("hermes", ".hermes/config.yaml", Syntax::Yaml, &["mcp_servers", "clawgate"]),
    ("crush", ".config/crush/crush.json", Syntax::Json, &["mcp", "clawgate"]),
    ("cursor", ".cursor/mcp.json", Syntax::Json, &["mcpServers", "clawgate"]),
    ("zed", ".config/zed/settings.json", Syntax::Json, &["context_servers", "clawgate"]),
];

#[test]
fn every_agent_has_a_test() {
    let tested: Vec<&str> = CONFIGS.iter().map(|(agent, ..)| *agent).collect();
    assert_eq!(setup_names(), [&tested[..], &["all"]].concat());
}

/// JSON texts that people and programs write.
const ODD_JSON: &[&str] = &[
    "",
    "\n\n",
    "{}",
    "{ }",
    "{\n}",
    "{}\n",
    "\u{feff}{\"a\": 1}",
    "// only a comment\n",
    "{\"a\":1,\"b\":[1,2]}",
    "{\"mcpServers\":{}}",
    "{\"mcp\":{\"servers\":{}}}",
    "{\n  \"mcpServers\": {},\n  \"mcp\": {}\n}",
    "{ \"a\": 1, \"mcpServers\": { \"other\": { \"command\": \"x\" } } }",
    "{\r\n\t\"mcpServers\": {\r\n\t\t\"other\": {\"command\": \"x\"}\r\n\t}\r\n}\r\n",
    "{\n    // servers\n    \"mcpServers\": {\n        \"other\": { \"command\": \"x\" }, // note\n        /* end */\n    },\n}",
    "{\n  mcpServers: {\n    other: { command: 'x', args: ['y',] } // note\n  }, a: .5, b: +1, c: 0xFF\n}\n",
    "{\n  \"mcp\": {\n    \"other\": {\"type\": \"local\"} /* c */ ,\n    \"servers\": { }\n  }\n}",
    "{\"mcpServers\":\n{\"other\":{}}}",
    "/* top */ { \"a\": \"// not a comment\", \"b\": \"\\\"}\" } // end",
];

const ODD_TOML: &[&str] = &[
    "",
    "model = \"x\"",
    "# only a comment",
    "model = \"x\" # note\n\n\n",
    "[mcp_servers.other]\ncommand = \"x\"\n# end\n",
    "[mcp_servers]\n[mcp_servers.other.env]\nA = \"b\"\n",
    "mcp_servers = { other = { command = \"x\" } } # note\r\nmodel = \"x\"\r\n",
    "mcp_servers = {}\n",
    "mcp_servers.other.command = \"x\"\n",
    "a = '''\n[mcp_servers.clawgate]\n'''\r\n[[list]]\r\nb = 1979-05-27T07:32:00Z\r\n",
];

const ODD_YAML: &[&str] = &[
    "",
    "\n\n",
    "# only a comment\n",
    "\u{feff}model: x\n",
    "---\nmodel: x",
    "extensions: {}\nmcp_servers: {} # note\r\n",
    "extensions:\r\n  other:\r\n    cmd: x # note\r\n\r\n# end\r\nmcp_servers:\r\n  other: {command: x}\r\n",
    "mcp_servers:\n    \"other\":\n        command: x\nextensions:\n    # none\n    other:\n        text: |\n            clawgate:\n              a: 1\n\n\nlast: [1,\n  2]\n",
    "a: &x {b: 1}\nc: *x\nd: 'e: f'\n",
];

fn odd(syntax: Syntax) -> &'static [&'static str] {
    match syntax {
        Syntax::Json => ODD_JSON,
        Syntax::Toml => ODD_TOML,
        Syntax::Yaml => ODD_YAML,
    }
}

#[test]
fn a_removal_restores_every_file_byte_for_byte() {
    for (agent, path, syntax, place) in CONFIGS {
        for text in odd(*syntax) {
            let home = Home::new();
            home.write(path, text);
            let before = home.files();
            home.install(agent).unwrap_or_else(|e| panic!("{agent} {text:?}: {e}"));
            let installed = home.read(path);
            let value = syntax.parse(&installed).unwrap();
            let server =
                value_path::get(&value, &keys(place)).unwrap_or_else(|| panic!("{agent}: {installed}"));
            assert!(value_path::find_call(server, "mcp").is_some(), "{agent}: {installed}");
            home.install(agent).unwrap();
            assert_eq!(home.read(path), installed, "{agent} {text:?}: a second run changes nothing");
            home.remove(agent).unwrap();
            assert_eq!(home.files(), before, "{agent} {text:?}");
            assert!(fs::read_dir(home.dir().join(".clawgate/install")).unwrap().next().is_none());
        }
    }
}

#[test]
fn a_removal_leaves_no_file_and_no_directory_that_was_not_there() {
    for (agent, ..) in CONFIGS {
        for (status_line, hooks) in
            [(false, false), (*agent == "claude", matches!(*agent, "claude" | "codex"))]
        {
            let home = Home::new();
            let params = UpdateSkillParams { status_line, hooks, ..home.params(agent) };
            update_skill(&home.env(), &params).unwrap();
            assert!(home.files().len() > 3, "{agent}");
            home.remove(agent).unwrap();
            assert_eq!(home.files(), [(home.dir(), Vec::new())], "{agent}");
        }
    }
}

#[test]
fn a_removal_keeps_what_was_changed_since() {
    for (agent, path, syntax, place) in CONFIGS {
        let home = Home::new();
        home.install(agent).unwrap();
        let (parent, other) = (&place[..place.len() - 1], json!({ "command": "other" }));
        let added = [keys(parent), keys(&["other"])].concat();
        let text = syntax.set(&home.read(path), &added, &other).unwrap();
        home.write(path, &text);
        home.remove(agent).unwrap();
        let value = syntax.parse(&home.read(path)).unwrap();
        assert_eq!(value_path::get(&value, &added), Some(&other), "{agent}");
        assert_eq!(value_path::get(&value, &keys(place)), None, "{agent}");
    }
}

#[test]
fn objects_that_were_made_for_hooks_go_with_them_after_other_changes() {
    let home = Home::new();
    home.write(".claude/settings.json", "{\n  \"model\": \"x\"\n}\n");
    let params = UpdateSkillParams { status_line: true, hooks: true, ..home.params("claude") };
    update_skill(&home.env(), &params).unwrap();
    let text = home.read(".claude/settings.json").replace("\"x\"", "\"y\"");
    home.write(".claude/settings.json", &text);
    home.remove("claude").unwrap();
    assert_eq!(home.read(".claude/settings.json"), "{\n  \"model\": \"y\"\n}\n");

    // The agent can rewrite the whole file.
    update_skill(&home.env(), &params).unwrap();
    let value: Value = serde_json::from_str(&home.read(".claude/settings.json")).unwrap();
    home.write(".claude/settings.json", &value.to_string());
    home.remove("claude").unwrap();
    assert_eq!(home.read(".claude/settings.json"), "{\"model\":\"y\"}");
}

#[test]
fn a_file_that_cannot_be_parsed_is_named_with_its_line_and_nothing_is_written() {
    for (agent, path, syntax, place) in CONFIGS {
        // The last one is valid, but has another type where the servers belong.
        let other_type = json!({ place[0]: 3 }).to_string();
        let bad: &[&str] = match syntax {
            Syntax::Json => &["{\n  \"a\": 1,\n  oops\n}", "[1]", &other_type],
            Syntax::Toml => &["a = 1\nb = = 2\n", "mcp_servers = 3\n"],
            Syntax::Yaml => &["a: 1\nb: [2\n", "- 1\n", &other_type],
        };
        for bad in bad {
            let home = Home::new();
            home.write(path, bad);
            let before = home.files();
            let failure = home.install(agent).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_config_file", 1), "{agent}");
            assert!(failure.message.contains(path) && failure.message.contains("line "), "{failure}");
            assert_eq!(home.files(), before, "{agent} {bad}");
        }
    }
    let home = Home::new();
    fs::write(home.dir().join(".claude.json"), b"{\n\"a\": \"\xff\"}").unwrap();
    let failure = home.install("claude").unwrap_err();
    assert!(failure.message.contains("line 2: not UTF-8"), "{failure}");
}

#[test]
fn an_entry_of_another_program_is_left_alone() {
    let home = Home::new();
    let other =
        "{\"mcpServers\":{\"clawgate\":{\"command\":\"docker\",\"args\":[\"run\",\"x\"]}},\"statusLine\":1}";
    home.write(".claude.json", other);
    let failure = home.install("claude").unwrap_err();
    assert_eq!(failure.code, "other_entry");
    home.remove("claude").unwrap();
    assert_eq!(home.read(".claude.json"), other);
    assert!(!home.dir().join(".claude/skills").exists());
}

#[test]
fn force_replaces_and_removes_an_entry_and_a_skill_of_others_and_keeps_a_backup() {
    let home = Home::new();
    let other = "{\"mcpServers\": {\"clawgate\": {\"command\": \"other\", \"x\": {\"y\": [1]}}, \"z\": {}}}";
    home.write(".claude.json", other);
    let skill = ".claude/skills/clawgate/SKILL.md";
    home.write(skill, "mine");
    let forced = UpdateSkillParams { force: true, ..home.params("claude") };
    update_skill(&home.env(), &forced).unwrap();
    let value: Value = serde_json::from_str(&home.read(".claude.json")).unwrap();
    assert_eq!(value["mcpServers"]["clawgate"]["command"], "/opt/clawgate/bin/clawgate");
    assert_eq!(value["mcpServers"]["clawgate"]["x"], Value::Null, "the entry is replaced as a whole");
    home.remove("claude").unwrap();
    assert_eq!((home.read(".claude.json").as_str(), home.read(skill).as_str()), (other, "mine"));

    let removed = update_skill(&home.env(), &UpdateSkillParams { remove: true, ..forced }).unwrap();
    let value: Value = serde_json::from_str(&home.read(".claude.json")).unwrap();
    assert_eq!(value, json!({"mcpServers": {"z": {}}}));
    assert!(!home.dir().join(skill).exists());
    let backups: Vec<String> = removed.agents[0]
        .files
        .iter()
        .filter_map(|f| Some(fs::read_to_string(f.backup.as_ref()?).unwrap()))
        .collect();
    assert_eq!(backups, ["mine", other]);
}

#[test]
fn an_own_entry_is_known_by_its_record_if_the_program_has_another_name() {
    let home = Home::new();
    let text = "{\"a\": 1}";
    home.write(".claude.json", text);
    let named = |name: &str| UpdateSkillParams {
        program: PathBuf::from(format!("/opt/{name}")),
        hooks: true,
        ..home.params("claude")
    };
    update_skill(&home.env(), &named("cg-1")).unwrap();
    let again = update_skill(&home.env(), &named("cg-1")).unwrap();
    assert!(again.agents[0].files.iter().all(|f| f.action == Action::Unchanged), "{again:?}");
    home.write(".claude.json", &home.read(".claude.json").replace("\"a\": 1", "\"a\": 2"));
    update_skill(&home.env(), &named("cg-2")).unwrap();
    let (servers, hooks) = (home.read(".claude.json"), home.read(".claude/settings.json"));
    assert!(servers.contains("/opt/cg-2") && !servers.contains("cg-1"), "{servers}");
    assert!(hooks.contains("/opt/cg-2") && !hooks.contains("cg-1"), "{hooks}");
    update_skill(&home.env(), &UpdateSkillParams { remove: true, ..named("cg-3") }).unwrap();
    let value: Value = serde_json::from_str(&home.read(".claude.json")).unwrap();
    assert_eq!(value, json!({"a": 2}));
    assert!(!home.dir().join(".claude/settings.json").exists());
}

#[test]
fn an_entry_that_was_there_before_is_updated_and_put_back() {
    let home = Home::new();
    let text =
        "{\"mcpServers\": {\"clawgate\": {\"command\": \"clawgate\", \"args\": [\"mcp\"], \"timeout\": 5}}}";
    home.write(".gemini/settings.json", text);
    let report = home.install("gemini").unwrap();
    assert_eq!(report.agents[0].mcp, Some(McpState::Registered));
    assert_eq!(
        home.read(".gemini/settings.json"),
        text.replace("\"clawgate\", \"args", "\"/opt/clawgate/bin/clawgate\", \"args")
    );
    let backup = report.agents[0].backup.clone().unwrap();
    assert_eq!(fs::read_to_string(backup).unwrap(), text);
    home.remove("gemini").unwrap();
    assert_eq!(home.read(".gemini/settings.json"), text);

    // The same entry as clawgate's own is not clawgate's to remove, unless the person insists.
    let own = text.replace("\"clawgate\", \"args", "\"/opt/clawgate/bin/clawgate\", \"args");
    home.write(".gemini/settings.json", &own);
    assert_eq!(home.install("gemini").unwrap().agents[0].mcp, Some(McpState::Present));
    assert!(home.remove("gemini").unwrap().agents[0].notes[0].contains("was there before"));
    assert_eq!(home.read(".gemini/settings.json"), own);
    update_skill(&home.env(), &UpdateSkillParams { remove: true, force: true, ..home.params("gemini") })
        .unwrap();
    assert!(!home.read(".gemini/settings.json").contains("clawgate"));
}

#[test]
fn a_skill_that_was_changed_is_kept() {
    let home = Home::new();
    let path = ".claude/skills/clawgate/SKILL.md";
    home.install("claude").unwrap();
    assert_eq!(home.read(path), SKILL);
    home.write(path, "my own words");
    let report = home.install("claude").unwrap();
    assert_eq!(report.agents[0].files[0].action, Action::Kept);
    assert_eq!(home.remove("claude").unwrap().agents[0].files[0].action, Action::Kept);
    assert_eq!(home.read(path), "my own words");
    let forced = UpdateSkillParams { force: true, ..home.params("claude") };
    let backup = update_skill(&home.env(), &forced).unwrap().agents[0].files[0].backup.clone().unwrap();
    assert_eq!(
        (home.read(path).as_str(), fs::read_to_string(backup).unwrap().as_str()),
        (SKILL, "my own words")
    );
    home.remove("claude").unwrap();
    assert_eq!(home.read(path), "my own words");
}

#[test]
fn an_older_skill_of_clawgate_is_updated() {
    let home = Home::new();
    let path = home.dir().join(".qwen/skills/clawgate/SKILL.md");
    let records = Records::new(&home.env());
    plan::install_skill(&records, &path, "an older skill", false)
        .unwrap()
        .carry_out(&records, false)
        .unwrap();
    assert_eq!(home.install("qwen").unwrap().agents[0].files[0].action, Action::Updated);
    assert_eq!(fs::read_to_string(&path).unwrap(), SKILL);
    home.remove("qwen").unwrap();
    assert_eq!(home.files(), [(home.dir(), Vec::new())]);
}

#[test]
fn hooks_and_status_line_join_those_of_other_programs() {
    let home = Home::new();
    let text = "{\n  \"hooks\": {\n    \"PreToolUse\": [\n      { \"matcher\": \"Bash\", \"hooks\": [{ \"type\": \"command\", \"command\": \"lint\" }] }\n    ]\n  }\n}\n";
    home.write(".claude/settings.json", text);
    let params =
        UpdateSkillParams { status_line: true, hooks: true, stage_hook: true, ..home.params("claude") };
    update_skill(&home.env(), &params).unwrap();
    let value: Value = serde_json::from_str(&home.read(".claude/settings.json")).unwrap();
    assert_eq!(value["hooks"]["PreToolUse"][0]["hooks"][0]["command"], "lint");
    assert_eq!(
        value["hooks"]["SessionEnd"][0]["hooks"][0]["command"],
        "/opt/clawgate/bin/clawgate stage --background"
    );
    assert_eq!(
        value["hooks"]["PreToolUse"][1]["hooks"][0]["command"],
        "/opt/clawgate/bin/clawgate hook claude"
    );
    assert_eq!(value["statusLine"]["command"], "/opt/clawgate/bin/clawgate statusline");
    home.remove("claude").unwrap();
    assert_eq!(home.read(".claude/settings.json"), text);

    // A status line of another program is not replaced.
    home.write(".claude/settings.json", "{\"statusLine\": {\"type\": \"command\", \"command\": \"mine\"}}");
    let failure = update_skill(&home.env(), &params).unwrap_err();
    assert!(failure.message.contains("another `statusLine`"), "{failure}");
    let failure = update_skill(&home.env(), &UpdateSkillParams { hooks: true, ..home.params("gemini") });
    assert!(failure.unwrap_err().message.contains("claude, codex"));
    let params = UpdateSkillParams { stage_hook: true, ..home.params("codex") };
    assert!(update_skill(&home.env(), &params).unwrap_err().message.contains("that can: claude."));
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_modes_are_kept() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = Home::new();
    home.write("dotfiles/codex.toml", "model = \"x\"\n");
    let real = home.dir().join("dotfiles/codex.toml");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir_all(home.dir().join("dotfiles/claude")).unwrap();
    fs::create_dir_all(home.dir().join(".codex")).unwrap();
    symlink(&real, home.dir().join(".codex/config.toml")).unwrap();
    symlink(home.dir().join("dotfiles/claude"), home.dir().join(".claude")).unwrap();
    home.install("codex").unwrap();
    home.install("claude").unwrap();
    assert!(home.dir().join(".codex/config.toml").is_symlink());
    assert!(home.read("dotfiles/codex.toml").contains("[mcp_servers.clawgate]"));
    assert!(home.dir().join("dotfiles/claude/skills/clawgate/SKILL.md").is_file());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&real), 0o640);
    assert_eq!(mode(&home.dir().join(".claude.json")), 0o600);
    for file in fs::read_dir(home.dir().join(".clawgate/install")).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    home.remove("codex").unwrap();
    home.remove("claude").unwrap();
    assert_eq!((home.read("dotfiles/codex.toml").as_str(), mode(&real)), ("model = \"x\"\n", 0o640));
    assert!(home.dir().join(".codex/config.toml").is_symlink() && home.dir().join(".claude").is_symlink());
    assert_eq!(fs::read_dir(home.dir().join("dotfiles/claude")).unwrap().count(), 0);

    symlink(home.dir().join("nowhere"), home.dir().join(".claude.json")).unwrap();
    assert_eq!(home.install("claude").unwrap_err().code, "broken_link");
}

#[cfg(unix)]
#[test]
fn a_file_of_another_user_is_left_alone() {
    let home = Home::new();
    home.write(".gemini/settings.json", "{}\n");
    // Only root can give a file away. The check is the same for every user.
    if std::os::unix::fs::chown(home.dir().join(".gemini/settings.json"), Some(12_345), None).is_err() {
        return;
    }
    assert_eq!(home.install("gemini").unwrap_err().code, "not_owner");
    assert_eq!(home.read(".gemini/settings.json"), "{}\n");
}

#[test]
fn a_dry_run_writes_nothing_and_reports_the_same() {
    let home = Home::new();
    home.write(".claude.json", "{\"mcpServers\": {\"other\": {\"env\": {\"KEY\": \"do-not-print-this\"}}}}");
    let before = home.files();
    let dry = UpdateSkillParams { dry_run: true, ..home.params("claude") };
    let planned = update_skill(&home.env(), &dry).unwrap();
    assert_eq!(home.files(), before);
    assert!(!home.dir().join(".clawgate").exists());
    let done = home.install("claude").unwrap();
    let text = |r: &UpdateSkillReport| serde_json::to_string(&r.agents).unwrap();
    assert_eq!(text(&planned), text(&done));
    assert!(
        text(&planned).contains("+ mcpServers.clawgate = ") && !text(&planned).contains("do-not-print-this")
    );
}

#[test]
fn all_means_the_agents_of_this_machine_and_one_failure_does_not_stop_the_others() {
    let home = Home::new();
    assert_eq!(home.install("all").unwrap_err().code, "no_agent_found");
    home.write(".gemini/settings.json", "{ broken");
    home.write(".codex/config.toml", "");
    let report = home.install("all").unwrap();
    let ids: Vec<&str> = report.agents.iter().map(|a| a.agent).collect();
    assert_eq!(ids, ["codex", "gemini"]);
    assert!(report.agents[1].error.as_ref().unwrap().message.contains("settings.json, line 1"));
    assert!(home.read(".codex/config.toml").contains("clawgate") && report.not_found.contains(&"claude"));
    assert_eq!(home.read(".gemini/settings.json"), "{ broken");
}

#[test]
fn a_project_has_its_own_files() {
    let home = Home::new();
    let project = home.dir().join("work");
    fs::create_dir(&project).unwrap();
    for (agent, file) in [
        ("claude", ".mcp.json"),
        ("codex", ".codex/config.toml"),
        ("gemini", ".gemini/settings.json"),
        ("opencode", "opencode.json"),
        ("kimi", ".kimi-code/mcp.json"),
        ("qwen", ".qwen/settings.json"),
    ] {
        let before = home.files();
        let params = UpdateSkillParams { project: Some(project.clone()), ..home.params(agent) };
        update_skill(&home.env(), &params).unwrap();
        assert!(project.join(file).is_file(), "{agent}");
        let remove = UpdateSkillParams { remove: true, ..params };
        update_skill(&home.env(), &remove).unwrap();
        assert_eq!(home.files(), before, "{agent}");
    }
    for agent in ["openclaw", "cline", "copilot"] {
        let params = UpdateSkillParams { project: Some(project.clone()), ..home.params(agent) };
        assert_eq!(update_skill(&home.env(), &params).unwrap_err().code, "no_project_scope");
    }
    // `all` leaves them out.
    fs::create_dir(home.dir().join(".cline")).unwrap();
    let params = UpdateSkillParams { project: Some(project.clone()), ..home.params("all") };
    let report = update_skill(&home.env(), &params).unwrap();
    assert!(report.agents[0].error.is_none() && report.agents[0].notes[0].contains("only from the user's"));
}

#[test]
fn the_directory_of_the_archive_is_passed_on_if_it_is_not_the_default_one() {
    let home = Home::new();
    let env = Env::bare(home.dir(), home.dir().join("my archive"));
    let params = UpdateSkillParams { hooks: true, ..home.params("claude") };
    update_skill(&env, &params).unwrap();
    let server: Value = serde_json::from_str(&home.read(".claude.json")).unwrap();
    let archive = home.dir().join("my archive").display().to_string();
    assert_eq!(server["mcpServers"]["clawgate"]["env"]["CLAWGATE_HOME"], archive.as_str());
    let hooks = home.read(".claude/settings.json");
    assert!(!cfg!(unix) || hooks.contains(&format!("CLAWGATE_HOME='{archive}' /opt")), "{hooks}");
    update_skill(&env, &UpdateSkillParams { remove: true, ..params }).unwrap();
    assert!(!home.dir().join(".claude").exists());
}

#[test]
fn a_program_on_the_path_is_registered_by_its_name() {
    let home = Home::new();
    home.write("bin/clawgate", "#!/bin/sh\n");
    let mut env = home.env();
    let program = home.dir().join("bin/clawgate");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(program_command(&env, &program), program.display().to_string());
    env.vars.insert("PATH".to_owned(), format!("/nowhere:{}", home.dir().join("bin").display()));
    assert_eq!(program_command(&env, &program), "clawgate");
    assert_eq!(program_command(&env, Path::new("/opt/clawgate")), "/opt/clawgate");
}

/// A JSON value with the formatting of its containers.
#[derive(Debug, Clone)]
enum Odd {
    Leaf(&'static str),
    List(Vec<Odd>, Layout),
    Map(Vec<Odd>, Layout),
}

/// How a container is written.
#[derive(Debug, Clone, Copy)]
struct Layout {
    lines: bool,
    trailing_comma: bool,
    comment: Option<&'static str>,
}

fn layout() -> impl Strategy<Value = Layout> {
    let comment = prop_oneof![Just(None), Just(Some("// c")), Just(Some("/* } , */"))];
    (any::<bool>(), any::<bool>(), comment).prop_map(|(lines, trailing_comma, comment)| Layout {
        lines: lines || comment == Some("// c"),
        trailing_comma,
        comment,
    })
}

fn odd_value() -> impl Strategy<Value = Odd> {
    let leaf = prop_oneof![
        Just("1"),
        Just("-0.5e3"),
        Just("null"),
        Just("\"a \\\" } // ü\""),
        Just("'single'"),
        Just("[]"),
        Just("{ }")
    ]
    .prop_map(Odd::Leaf);
    leaf.prop_recursive(3, 24, 4, |inner| {
        let items = prop::collection::vec(inner, 0..4);
        prop_oneof![
            (items.clone(), layout()).prop_map(|(items, l)| Odd::List(items, l)),
            (items, layout()).prop_map(|(items, l)| Odd::Map(items, l)),
        ]
    })
}

/// The names of keys. The first ones are those on the way to clawgate's values.
const NAMES: &[&str] = &["\"mcpServers\"", "\"hooks\"", "other", "\"a b\""];

fn write_odd(out: &mut String, value: &Odd, unit: &str, depth: usize) {
    let (items, layout, brackets) = match value {
        Odd::Leaf(text) => return out.push_str(text),
        Odd::List(items, layout) => (items, layout, ['[', ']']),
        Odd::Map(items, layout) => (items, layout, ['{', '}']),
    };
    out.push(brackets[0]);
    for (i, item) in items.iter().enumerate() {
        if layout.lines {
            out.push_str(&format!("\n{}", unit.repeat(depth + 1)));
        }
        if brackets[0] == '{' {
            out.push_str(&format!("{}:{}", NAMES[i], if layout.trailing_comma { "  " } else { "" }));
        }
        write_odd(out, item, unit, depth + 1);
        if i + 1 < items.len() || layout.trailing_comma {
            out.push(',');
        }
        if let Some(comment) = layout.comment {
            out.push_str(&format!(" {comment}"));
        }
    }
    if layout.lines {
        out.push_str(&format!("\n{}", unit.repeat(depth)));
    }
    out.push(brackets[1]);
}

fn odd_text() -> impl Strategy<Value = String> {
    let root = (prop::collection::vec(odd_value(), 0..4), layout());
    let unit = prop_oneof![Just("  "), Just("\t"), Just("    "), Just("")];
    let end = prop_oneof![Just(""), Just("\n"), Just("\n\n// end")];
    (root, unit, end, any::<bool>()).prop_map(|((items, layout), unit, end, crlf)| {
        let mut text = String::new();
        write_odd(&mut text, &Odd::Map(items, layout), unit, 0);
        text.push_str(end);
        if crlf { text.replace('\n', "\r\n") } else { text }
    })
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn what_is_added_to_an_odd_file_can_be_cut_out_again(text in odd_text()) {
        let root = Syntax::Json.parse(&text).unwrap();
        let server = json!({ "command": "clawgate", "args": ["mcp"] });
        for path in [
            keys(&["clawgate"]),
            keys(&["mcpServers", "clawgate"]),
            keys(&["new", "clawgate"]),
            [keys(&["hooks"]), vec![Step::Index(0)]].concat(),
        ] {
            let existing = (0..path.len()).rev().find(|n| value_path::get(&root, &path[..*n]).is_some()).unwrap();
            let parent = value_path::get(&root, &path[..existing]).unwrap();
            if value_path::get(&root, &path).is_some() || !(parent.is_object() || parent.is_array()) {
                continue;
            }
            let Ok(edited) = Syntax::Json.set(&text, &path, &server) else { continue };
            prop_assert!(!text.contains("\r\n") || !edited.replace("\r\n", "").contains('\n'), "{edited:?}");
            let cut = Syntax::Json.remove(&edited, &path, existing).unwrap();
            prop_assert_eq!(Syntax::Json.parse(&cut).unwrap(), root.clone());
            let was_empty = parent.as_object().is_some_and(|m| m.is_empty()) || parent.as_array().is_some_and(Vec::is_empty);
            // The whitespace of an empty container is only in the backup.
            if !was_empty {
                prop_assert_eq!(&cut, &text, "{:?}", edited);
            }
        }
    }

}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn installing_and_removing_gives_the_same_bytes(text in odd_text(), hooks in any::<bool>()) {
        let home = Home::new();
        home.write(".claude.json", &text);
        home.write(".claude/settings.json", &text);
        let before = home.files();
        let params = UpdateSkillParams { hooks, status_line: hooks, stage_hook: hooks, ..home.params("claude") };
        if let Err(failure) = update_skill(&home.env(), &params) {
            prop_assert_eq!(failure.code, "bad_config_file");
        } else {
            home.remove("claude").unwrap();
        }
        prop_assert_eq!(home.files(), before);
    }
}
