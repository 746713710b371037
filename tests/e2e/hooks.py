#!/usr/bin/env python3
"""Tests budgets and the status line in the real agents, with scripted models.

hooks.py --bin BIN --tools DIR [--agents PREFIX] [--keep DIR]

TOOLS is the folder of `drive.py` and `fakellm.py`, PREFIX the folder in which `drive.py install` installs the agents. Claude
Code and Codex are real, and their configuration contains `clawgate hook` and `clawgate statusline` as docs/cost-live.md
describes. The scripted model reports the usage of each request. Claude Code shows its status line only in a terminal, so the
test runs it in a pseudo-terminal (packages `pexpect` and `pyte`).
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from common import check, finish, need, note, section

# 100,000 output tokens cost $1.50 with the model of Claude Code in this test, and $1.00 with that of Codex.
SPENT = {"input": 0, "cache_read": 0, "cache_write": 0, "output": 100_000, "reasoning": 0}
FREE = {"input": 0, "cache_read": 0, "cache_write": 0, "output": 0, "reasoning": 0}
MODELS = {"claude": "claude-sonnet-4-5-20250929", "codex": "gpt-5.1-codex"}


def step(name, usage=SPENT):
    return {"text": f"Working on {name}.", "tools": [{"bash": f"sleep 0.4; touch {{cwd}}/{name} && echo made {name}"}], "usage": usage}


SCRIPT = {"scenarios": [
    {"name": "three", "match": "make three files", "steps": [
        step("one"), step("two"), step("three"), {"text": "That is all. {{result~(?s)(.*)}}", "usage": FREE}]},
    {"name": "more", "match": "make one more", "steps": [step("four"), {"text": "Made it.", "usage": FREE}]},
    {"name": "delegate", "match": "let somebody else", "steps": [
        {"text": "Delegating.", "tools": [{"task": ["Make files", "you are the helper: make yours"]}], "usage": FREE},
        {"text": "Delegated.", "usage": FREE}]},
    {"name": "helper", "match": "you are the helper", "steps": [
        step("one"), step("two"), step("three"), {"text": "The helper is done.", "usage": FREE}]},
]}


class World:
    """A temporary home in which both agents are set up as a person would set them up, with clawgate as their hook."""

    def __init__(self, top, args, name, budgets):
        self.top = top / name
        self.home, self.cwd = self.top / "home", self.top / "work"
        self.state = self.home / ".clawgate"
        for d in (self.home / ".claude", self.home / ".codex", self.cwd, self.state):
            d.mkdir(parents=True)
        self.args = args
        self.requests = self.top / "requests.jsonl"
        self.budgets(budgets)

    def budgets(self, text):
        (self.state / "config.toml").write_text(text)

    def write(self, path, value):
        (self.home / path).write_text(value if isinstance(value, str) else json.dumps(value, indent=1))

    def env(self):
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8", "TERM": "xterm-256color", "SHELL": "/bin/bash"}

    @contextlib.contextmanager
    def model(self):
        """Runs the scripted model, and configures both agents for it."""
        script = self.top / "script.json"
        script.write_text(json.dumps(SCRIPT))
        p = subprocess.Popen(
            [sys.executable, str(self.args.tools / "fakellm.py"), "--scenario", str(script), "--requests", str(self.requests),
             "--var", f"cwd={self.cwd}"], stdout=subprocess.PIPE, text=True)
        try:
            self.url = "http://127.0.0.1:" + p.stdout.readline().split()[1]
            self.configure()
            yield self
        finally:
            p.terminate()
            p.wait()

    def hook(self, agent):
        # The script passes the hook's input and output through and records both for the checks.
        log = self.top / f"hook-{agent}.jsonl"
        script = self.top / f"hook-{agent}.sh"
        script.write_text(
            f"#!/bin/bash\nin=$(cat)\nout=$(printf '%s' \"$in\" | {self.args.bin} hook {agent} 2>{self.top}/hook-{agent}.err)\ncode=$?\n"
            f"python3 - \"$in\" \"$out\" $code >>{log} <<'PY'\nimport json, sys\nprint(json.dumps({{'in': json.loads(sys.argv[1]), 'out': sys.argv[2], 'code': int(sys.argv[3])}}))\nPY\n"
            "printf '%s' \"$out\"\nexit $code\n")
        script.chmod(0o755)
        return str(script)

    def hooked(self, agent):
        log = self.top / f"hook-{agent}.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def configure(self):
        line = self.top / "statusline.sh"
        log = self.top / "statusline.jsonl"
        line.write_text(
            f"#!/bin/bash\nin=$(cat)\nout=$(printf '%s' \"$in\" | {self.args.bin} statusline)\ncode=$?\n"
            f"python3 - \"$in\" \"$out\" $code >>{log} <<'PY'\nimport json, sys\nprint(json.dumps({{'in': json.loads(sys.argv[1]), 'out': sys.argv[2], 'code': int(sys.argv[3])}}))\nPY\n"
            "printf '%s\\n' \"$out\"\nexit $code\n")
        line.chmod(0o755)
        command = lambda agent: {"type": "command", "command": self.hook(agent), "timeout": 20}
        hooks = lambda agent, match: {"hooks": {
            "PreToolUse": [{**match, "hooks": [command(agent)]}], "UserPromptSubmit": [{"hooks": [command(agent)]}]}}
        self.write(".claude/settings.json", {
            "statusLine": {"type": "command", "command": str(line)}, "permissions": {"allow": ["Bash"]}, "theme": "dark",
            **hooks("claude", {"matcher": "*"})})
        # The answers that a person gives at the first start.
        self.write(".claude.json", {
            "hasCompletedOnboarding": True, "theme": "dark", "bypassPermissionsModeAccepted": True, "numStartups": 5,
            "customApiKeyResponses": {"approved": ["dummy-key-of-this-test"[-20:]], "rejected": []},
            "projects": {str(self.cwd): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True, "allowedTools": []}}})
        self.write(".codex/hooks.json", hooks("codex", {}))
        self.write(".codex/config.toml",
                   f'model = "{MODELS["codex"]}"\nmodel_provider = "scripted"\napproval_policy = "never"\n'
                   'sandbox_mode = "danger-full-access"\ncheck_for_update_on_startup = false\n'
                   f'[model_providers.scripted]\nname = "scripted"\nbase_url = "{self.url}/v1"\nenv_key = "SCRIPTED_KEY"\n'
                   'wire_api = "responses"\n[analytics]\nenabled = false\n[otel]\nexporter = "none"\n'
                   f'[projects."{self.cwd}"]\ntrust_level = "trusted"\n')

    def claude_env(self):
        return {**self.env(), "ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": "dummy-key-of-this-test", "DISABLE_TELEMETRY": "1",
                "DISABLE_AUTOUPDATER": "1", "DISABLE_ERROR_REPORTING": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}

    def run(self, argv, env):
        r = subprocess.run(argv, cwd=self.cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
        return r.returncode, r.stdout, r.stderr

    def claude(self, prompt, *more):
        return self.run([*self.args.claude, "-p", prompt, "--model", MODELS["claude"], "--output-format", "stream-json", "--verbose", *more],
                        self.claude_env())

    def codex_env(self):
        return {**self.env(), "CODEX_HOME": str(self.home / ".codex"), "SCRIPTED_KEY": "dummy"}

    def codex(self, prompt, *more, again=False):
        return self.run([*self.args.codex, "exec", "--skip-git-repo-check", *more, *(["resume", "--last"] if again else []), prompt],
                        self.codex_env())

    def made(self):
        return sorted(p.name for p in self.cwd.iterdir() if not p.name.startswith("."))

    def sent_to_model(self):
        """Returns all requests of the agent to its model, as one text."""
        return self.requests.read_text() if self.requests.exists() else ""


class Terminal:
    """An agent in a terminal, and the text on its screen."""

    def __init__(self, argv, cwd, env):
        import pexpect
        import pyte
        self.pexpect = pexpect
        self.screen = pyte.Screen(150, 45)
        self.stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(argv[0], argv[1:], cwd=str(cwd), env=env, dimensions=(45, 150))

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display if line.strip())

    def wait(self, pattern, seconds=30):
        """Reads until the screen shows the pattern. Returns false after a timeout."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(self.pexpect.TIMEOUT):
                try:
                    self.stream.feed(self.child.read_nonblocking(65536, 0.1))
                except self.pexpect.EOF:
                    break
            # The terminal wraps long lines.
            if re.search(pattern, re.sub(r"\s*\n[\s│]*", " ", self.text())):
                return True
        return False

    def say(self, prompt):
        self.child.send(prompt)
        self.wait(re.escape(prompt), 10)
        time.sleep(0.3)
        self.child.send("\r")

    def end(self):
        self.child.close(force=True)


DENY = '[budgets]\nsession_usd = {}\naction = "deny"\n'
WORDS = "The session budget is spent: "


def verdicts(w, agent, event="PreToolUse"):
    """Returns the hook's verdict at each event: `pass`, `warn`, `deny` or `block`."""
    out = []
    for h in w.hooked(agent):
        if h["in"].get("hook_event_name") == event:
            output = json.loads(h["out"]) if h["out"] else {}
            deny = output.get("hookSpecificOutput", {}).get("permissionDecision")
            out.append(deny or output.get("decision") or ("warn" if "systemMessage" in output else "pass"))
    return out


def budgets(world, agent):
    """Tests a budget that is not spent, one that denies, one that only warns, and a broken configuration."""
    def run(w, prompt, again=False):
        if agent == "claude":
            return w.claude(prompt, *(["--continue"] if again else []))
        return w.codex(prompt, "--dangerously-bypass-hook-trust", again=again)

    section(f"{agent}: a budget that is not spent")
    w = world(f"{agent}-free", DENY.format(100))
    with w.model():
        code, out, err = run(w, "please make three files")
    check("every tool ran", code == 0 and w.made() == ["one", "three", "two"], (code, w.made(), out[-500:], err[-500:]))
    check("the hook was called before each tool and had no output", verdicts(w, agent) == ["pass"] * 3, w.hooked(agent))
    check("the hook was called before the prompt", verdicts(w, agent, "UserPromptSubmit") == ["pass"], w.hooked(agent))

    section(f"{agent}: a budget that is spent during the session")
    w = world(f"{agent}-spent", DENY.format(BUDGET[agent]))
    with w.model():
        code, out, err = run(w, "please make three files")
        check("the third tool did not run", w.made() in RAN[agent], (w.made(), out[-500:]))
        check("the hook denied the last tool", verdicts(w, agent)[-1:] == ["deny"], w.hooked(agent))
        check("the agent continued to its answer", code == 0 and "That is all." in out, (code, out[-800:], err[-800:]))
        check("the model received the reason", WORDS in w.sent_to_model(), w.sent_to_model()[-500:])
        check("the person sees the reason", WORDS in out + err, out[-500:])
        before = w.sent_to_model().count("make one more")
        code, out, err = run(w, "please make one more", again=True)
        check("the next prompt is blocked", verdicts(w, agent, "UserPromptSubmit")[-1:] == ["block"], w.hooked(agent)[-1:])
        check("the blocked prompt was not sent to the model", w.sent_to_model().count("make one more") == before and "four" not in w.made(), w.made())
        note(f"exit code {code}; shown: {re.sub(chr(92) + 's+', ' ', (out + err))[-300:]!r}")

    section(f"{agent}: a budget that only warns")
    w = world(f"{agent}-warn", f"[budgets]\nsession_usd = {BUDGET[agent]}\n")
    with w.model():
        code, out, err = run(w, "please make three files")
    check("every tool ran", code == 0 and w.made() == ["one", "three", "two"], (w.made(), out[-500:]))
    check("each warning was shown once", verdicts(w, agent) in LEVELS[agent], w.hooked(agent))

    section(f"{agent}: an invalid configuration")
    w = world(f"{agent}-broken", "[budgets]\nsesion_usd = 1\n")
    with w.model():
        code, out, err = run(w, "please make three files")
    check("every tool ran", code == 0 and w.made() == ["one", "three", "two"], (w.made(), out[-500:]))
    check("the hook ended with exit 1", {h["code"] for h in w.hooked(agent)} == {1}, w.hooked(agent))
    message = (w.top / f"hook-{agent}.err").read_text()
    check("the hook named the wrong key", "session_usd" in message and "the step continues" in message, message)


# Codex writes a request to its log before it calls the hook of the tool. Claude Code writes it at about the same moment, so
# the tool call of the request that spent the budget may still run. A request costs $1.00 in Codex and $1.50 in Claude Code.
BUDGET = {"claude": 2.5, "codex": 2.5}
RAN = {"claude": [["one"], ["one", "two"]], "codex": [["one", "two"]]}
LEVELS = {"claude": [["pass", "pass", "warn"], ["pass", "warn", "pass"]], "codex": [["pass", "warn", "warn"]]}


def subagents(world, agent):
    section(f"{agent}: the cost of a subagent counts for the session")
    w = world(f"{agent}-subagent", DENY.format(2.5))
    prompt = "please let somebody else do it"
    with w.model():
        code, out, err = w.claude(prompt) if agent == "claude" else w.codex(prompt, "--dangerously-bypass-hook-trust")
        asked = [h for h in w.hooked(agent) if h["in"].get("tool_name") == "Bash"]
        check("the hook was called for the subagent's tools", len(asked) == 3, (w.hooked(agent), out[-800:]))
        check("the hook received the session's id", len({h["in"]["session_id"] for h in w.hooked(agent)}) == 1, asked)
        check("the hook denied a tool after the budget was spent", w.made() in RAN[agent] and "deny" in verdicts(w, agent), (w.made(), verdicts(w, agent)))
        before = len(w.hooked(agent))
        _ = w.claude("please make one more", "--continue") if agent == "claude" else w.codex("please make one more", "--dangerously-bypass-hook-trust", again=True)
        later = [h["out"] for h in w.hooked(agent)[before:]]
        check("the session's next step was denied too", later and WORDS in later[0] and "four" not in w.made(), later)


def status_line(world):
    section("claude: the status line, a warning and a denial in its terminal")
    w = world("claude-terminal", DENY.format(3.5))
    with w.model():
        t = Terminal([*w.args.claude, "--model", MODELS["claude"]], w.cwd, w.claude_env())
        check("the status line is shown before the first request", t.wait(r"\$0\.00 today · \$0\.00 session · \$0\.00/h"), t.text())
        t.say("please make three files")
        shown = t.wait(r"\$4\.50 today · \$4\.50 session · \$4\.50 block, \dh\d\dm left · \$4\.50/h · session budget 128 %")
        check("the status line shows the cost after the turn", shown, t.text())
        check("the conversation shows the warning", t.wait(r"85 % of the session budget is spent: \$3\.00 of \$3\.50\.", 3), t.text())
        t.say("please make one more")
        check("the blocked prompt shows the reason", t.wait(r"UserPromptSubmit.*The session budget is spent: \$4\.50 of \$3\.50\. To continue, raise"), t.text())
        for line in t.text().splitlines():
            note(line)
        t.end()
        lines = [json.loads(x) for x in (w.top / "statusline.jsonl").read_text().splitlines()]
        sent = lines[-1]["in"]
        check("Claude Code sends the session and its own cost", re.fullmatch(r"[0-9a-f-]{36}", sent["session_id"]) and sent["cost"]["total_cost_usd"] == 4.5, sent)
        check("every call ended with exit 0 and printed one line", all(x["code"] == 0 and len(x["out"].splitlines()) == 1 for x in lines), lines)
        note(f"version {sent['version']}; fields {sorted(sent)}")
    w = world("claude-terminal-broken", "[budget]\n")
    with w.model():
        t = Terminal([*w.args.claude, "--model", MODELS["claude"]], w.cwd, w.claude_env())
        check("the status line shows the error of the configuration", t.wait(r"clawgate: config\.toml line 1"), t.text())
        t.end()


def trust(world):
    section("codex: only trusted hooks run")
    w = world("codex-trust", DENY.format(2.5))
    with w.model():
        code, out, err = w.codex("please make three files")
        check("untrusted hooks do not run", w.made() == ["one", "three", "two"] and not w.hooked("codex"), (w.made(), err[-500:]))
        for name in w.made():
            (w.cwd / name).unlink()
        env = w.codex_env()
        t = Terminal([*w.args.codex, "--no-daemon"], w.cwd, env)
        need("Codex asks for a review of the hooks", t.wait("Hooks need review"), t.text())
        t.child.send("2")
        time.sleep(0.5)
        t.child.send("\r")
        t.wait("Ask Codex")
        t.say("please make three files")
        check("the terminal shows the warning", t.wait(r"80 % of the session budget is spent: \$2\.00 of \$2\.50\."), t.text())
        check("the terminal shows the denial", t.wait(r"The session budget is spent: \$3\.00 of \$2\.50\. Stop here and tell the user"), t.text())
        for line in t.text().splitlines():
            note(line)
        t.end()
        check("the third tool did not run", w.made() == ["one", "two"], w.made())


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--bin", required=True, type=lambda s: pathlib.Path(s).resolve())
    p.add_argument("--tools", required=True, type=lambda s: pathlib.Path(s).resolve())
    p.add_argument("--agents", required=True, type=lambda s: pathlib.Path(s).resolve())
    p.add_argument("--keep", type=pathlib.Path)
    args = p.parse_args()
    sys.path.insert(0, str(args.tools))
    import drive
    args.claude, args.codex = (drive.binary(a, str(args.agents / a)) for a in ("claude", "codex"))
    need("both agents are installed", args.claude and args.codex, f"python3 {args.tools}/drive.py install claude|codex")
    for argv in (args.claude, args.codex):
        note(subprocess.run([*argv, "--version"], capture_output=True, text=True).stdout.strip())
    with contextlib.ExitStack() as stack:
        top = args.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        world = lambda name, text: World(top, args, name, text)
        budgets(world, "claude")
        subagents(world, "claude")
        status_line(world)
        budgets(world, "codex")
        subagents(world, "codex")
        trust(world)
    finish()


if __name__ == "__main__":
    main()
