//! Roo Code: tasks in the storage of the VS Code extension, in the format of Cline.
//!
//! The format is read from the source code of 3.52; no fixture was recorded, because the editor cannot run here.

use crate::sources::cline::extension::TaskExtension;

pub(crate) static ROO_CODE: TaskExtension = TaskExtension {
    agent: "roo-code",
    name: "Roo Code",
    // The second one is the nightly version.
    extensions: &["rooveterinaryinc.roo-cline", "rooveterinaryinc.roo-code-nightly"],
    other_storage: &[],
};

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sources::{Read, ReadOptions, Source as _};
    use crate::trace::{Confidence, Env, Origin, ToolStatus};

    /// Writes a task below an editor's directory and reads it.
    fn read(screen: &Value, conversation: &Value, item: &Value) -> Read {
        let home = tempfile::tempdir().unwrap();
        let dir = home
            .path()
            .join(".config/VSCodium/User/globalStorage/rooveterinaryinc.roo-cline/tasks/0198c1de-7a1e");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("ui_messages.json"), screen.to_string()).unwrap();
        std::fs::write(dir.join("api_conversation_history.json"), conversation.to_string()).unwrap();
        std::fs::write(dir.join("history_item.json"), item.to_string()).unwrap();
        let env = Env::bare(home.path(), home.path().join("own"));
        let mut found = Vec::new();
        let [root] = &ROO_CODE.roots(&env)[..] else { panic!() };
        ROO_CODE.discover(root, &mut |path| found.push(path), &mut |s| panic!("{s:?}"));
        assert_eq!(found, [dir.join("ui_messages.json")]);
        assert_eq!(ROO_CODE.companions(&found[0]).len(), 2);
        ROO_CODE.read(&found[0], &ReadOptions::default()).unwrap()
    }

    fn say(at: i64, kind: &str, text: &str) -> Value {
        json!({"ts": at, "type": "say", "say": kind, "text": text})
    }

    fn request(at: i64, input: u64, cached: u64) -> Value {
        let figures = json!({"apiProtocol": "anthropic", "tokensIn": input, "tokensOut": 7, "cacheWrites": 10, "cacheReads": cached, "cost": 0.01});
        say(at, "api_req_started", &figures.to_string())
    }

    fn details(model: &str) -> Value {
        let text = format!(
            "<environment_details>\n# VSCode Open Tabs\ncalc.py\n\n# Current Mode\n<slug>code</slug>\n<name>Code</name>\n<model>{model}</model>\n\n# Current Workspace Directory (/home/m/calc-app) Files\ncalc.py\n</environment_details>"
        );
        json!({"type": "text", "text": text})
    }

    #[test]
    fn a_task_with_native_tool_calls_is_read() {
        let screen = json!([
            say(1000, "text", "fix it"),
            request(1001, 100, 40),
            say(1010, "text", "Reading."),
            request(1020, 120, 200),
            say(1030, "user_feedback", "now test it"),
            request(1031, 50, 0)
        ]);
        let conversation = json!([
            {"role": "user", "ts": 1002, "content": [{"type": "text", "text": "<user_message>\nfix it\n</user_message>"}, details("claude-sonnet-4-5")]},
            {"role": "assistant", "ts": 1010, "reasoning_content": "hm", "content": [{"type": "text", "text": "Reading."},
                {"type": "tool_use", "id": "t1", "name": "read_file", "input": {"path": "calc.py"}},
                {"type": "tool_use", "id": "t2", "name": "execute_command", "input": {"command": "sh deploy.sh"}},
                {"type": "tool_use", "id": "t3", "name": "apply_diff", "input": {"path": "calc.py"}}]},
            {"role": "user", "ts": 1021, "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "1 | x"},
                {"type": "tool_result", "tool_use_id": "t2", "content": "Command executed in terminal within working directory '/w'. Command execution was not successful. Exit code: 3\nOutput:\nExit code: 9"},
                {"type": "tool_result", "tool_use_id": "t3", "content": "{\"status\":\"denied\",\"message\":\"The user denied this operation.\"}"},
                details("gpt-5")]},
            {"type": "reasoning", "summary": [], "encrypted_content": "x", "ts": 1024},
            {"role": "assistant", "ts": 1025, "content": [{"type": "tool_use", "id": "t4", "name": "attempt_completion", "input": {"result": "Fixed."}}]},
            {"role": "user", "ts": 1027, "isSummary": true, "content": [{"type": "text", "text": "so far"}]},
        ]);
        let item = json!({"id": "0198c1de-7a1e", "parentTaskId": "0198c1de-0000", "workspace": "/home/m/calc", "task": "fix it"});
        let read = read(&screen, &conversation, &item);
        let s = &read.sessions[0];
        assert_eq!((s.key.as_str(), s.project.as_deref()), ("roo-code:0198c1de-7a1e", Some("/home/m/calc")));
        assert_eq!(s.parent.as_ref().map(|p| p.as_str()), Some("roo-code:0198c1de-0000"));
        assert_eq!(
            (s.user_messages(), s.models()),
            (2, vec!["claude-sonnet-4-5".to_owned(), "gpt-5".to_owned()])
        );
        let calls: Vec<_> = s.tool_calls().map(|c| (c.status, c.exit_code)).collect();
        let (ok, error, denied) = (ToolStatus::Success, ToolStatus::Error, ToolStatus::Denied);
        assert_eq!(calls, [(ok, None), (error, Some(3)), (denied, None)]);
        assert!(s.messages.iter().any(|m| m.origin == Origin::Compaction));
        let rows: Vec<_> =
            read.usage.iter().map(|r| (r.model.as_str(), r.tokens.input, r.tokens.cache_read)).collect();
        // The count of the second request is of an older version, which left the cached tokens out.
        assert_eq!(rows, [("claude-sonnet-4-5", 50, 40), ("gpt-5", 120, 200), ("gpt-5", 40, 0)]);
        assert!(
            read.usage.iter().all(|r| r.confidence == Confidence::Reported && r.reported_picousd.is_some())
        );
    }

    #[test]
    fn calls_of_older_versions_are_found_in_the_text() {
        let screen = json!([say(1000, "text", "fix it"), request(1001, 100, 0)]);
        let call = "Editing.\n\n<apply_diff>\n<path>calc.py</path>\n<diff>\n<<<<<<< SEARCH\n-\n=======\n+\n>>>>>>> REPLACE\n</diff>\n</apply_diff>";
        let conversation = json!([
            {"role": "user", "ts": 1002, "content": [{"type": "text", "text": "<task>\nfix it\n</task>"}, details("m")]},
            {"role": "assistant", "ts": 1010, "content": [{"type": "text", "text": call}]},
            {"role": "user", "ts": 1011, "content": [{"type": "text", "text": "[apply_diff for 'calc.py'] Result:"},
                {"type": "text", "text": "<file_write_result>\n</file_write_result>"}, details("m")]},
        ]);
        let read = read(&screen, &conversation, &Value::Null);
        let s = &read.sessions[0];
        let call = s.tool_calls().next().unwrap();
        assert_eq!((call.name.as_str(), call.input["path"].as_str()), ("apply_diff", Some("calc.py")));
        assert_eq!(call.output.as_deref(), Some("<file_write_result>\n</file_write_result>"));
        assert_eq!((s.project.as_deref(), s.messages.len()), (Some("/home/m/calc-app"), 2));
    }
}
