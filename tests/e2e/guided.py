#!/usr/bin/env python3
"""Real agents, set up with `clawgate update-skill` alone, guide a release from the first scan to the person's signature.

guided.py --bin BIN --tools DIR [--prefix PREFIX] [--hub PATH/hubstub.py] [AGENT ...]

TOOLS is the folder of `fakellm.py`. The model is a script that only follows `next` in clawgate's answers, with the person's
answers to all questions. It tries to publish, is refused, and repeats `human_action` to the person. With `--hub`, the person then signs, and the release
is published on the local Hub.
"""

import argparse
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

from agents import AGENTS, QUIET, program
from common import ROOT, WORDS, Hub, World, careful, check, finish, note, section

REPO = "alice/agents"
PROMPT = "help me share my coding sessions"
MODELS = {"claude": "claude-sonnet-4-5-20250929", "codex": "gpt-5.1-codex", "gemini": "gemini-2.5-pro",
          "opencode": "claude-sonnet-4-5", "openclaw": "claude-sonnet-4-5"}
EVERYTHING = [{"id": "all", "decision": "redact"}]
# More calls than this mean that the agent goes round in circles.
MAX_CALLS = 100


def answers(value):
    """Yields every answer of clawgate in a tool result, which agents wrap in several ways."""
    if isinstance(value, str):
        decoder, at = json.JSONDecoder(), value.find("{")
        while at >= 0:
            try:
                inner, end = decoder.raw_decode(value, at)
                yield from answers(inner)
            except ValueError:
                end = at + 1
            at = value.find("{", end)
        return
    if isinstance(value, dict) and "state" in value and "next" in value:
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from answers(inner)


def make_guided(fakellm):
    class Guided(fakellm.Script):
        """A model that follows `next`."""

        def __init__(self):
            self.doc, self.vars, self.errors_sent = {"scenarios": []}, {}, {}
            self.profile = {"base": 9000, "div": 3, "first": [0.55, 0.43], "next": [0.91, 0.07], "out_add": 7, "share_1h": 0.0}
            self.lock = threading.Lock()
            self.calls = []

        def title(self, turns):
            return "Share sessions"

        def step(self, turns, tools):
            last = max((i for i, t in enumerate(turns) if t["role"] == "user" and PROMPT in t["text"]), default=None)
            if last is None:
                return None, 0, {"text": "OK."}
            results = [r for t in turns[last + 1:] for r in t["results"]]
            n = len(results)
            answer = next(answers(results[-1]), None) if results else None
            if n >= MAX_CALLS:
                return "guided", n, {"text": "I give up."}
            if n and answer is None and n > 3:
                return "guided", n, {"text": f"clawgate does not answer: {results[-1][:300]}"}
            # The prompt has the person's answers to all questions; only the signature is missing.
            if answer and answer.get("human_action") and answer.get("state") == "confirmed" and "publish" in self.calls:
                return "guided", n, {"text": answer["human_action"]}
            return "guided", n, {"text": "Next step.", "tools": [{"mcp": ["clawgate", *self.call(answer)]}]}

        def call(self, answer):
            """Returns the next tool and its arguments."""
            answer = answer or {}
            tool = (answer.get("next") or {}).get("tool") or "status"
            if answer.get("state") == "confirmed":
                tool = "publish"
            args = {
                # The release has the sessions of the fixture. The session of a running OpenClaw grows with each call.
                "set_scope": {"agents": ["claude"], "confirm": True},
                "triage": {"all": True, "status": "approved"},
                "prepare_release": {"repo": REPO, "visibility": "private", "licence": "cc-by-4.0"},
                "confirm": {"skip_full_name_scan": True, "attest_full_name": WORDS, "attest_sensitive": WORDS,
                            "attest_manual_scan": WORDS},
            }.get(tool, {})
            page = answer.get("page")
            if tool == "review_pii":
                args = {"decisions": EVERYTHING}
                if page:
                    args["nonce"] = page["nonce"]
                    args["findings"] = [{"quote": q, "type": kind} for q, kind in careful(page["text"]).items()]
            self.calls.append(tool)
            return tool, args

    return Guided()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text, indent=2))


def configure(agent, home, work, url):
    """Tells an agent to use the scripted model. Returns its arguments for one prompt, and its variables."""
    model = MODELS[agent]
    if agent == "claude":
        return (["-p", PROMPT, "--model", model, "--allowedTools", "mcp__clawgate"],
                {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "dummy"})
    if agent == "codex":
        write(home / ".codex/config.toml", f"""model = "{model}"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "danger-full-access" # the test's own home
check_for_update_on_startup = false
[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
env_key = "SCRIPTED_KEY"
wire_api = "responses"
[analytics]
enabled = false""")
        return ["exec", "--skip-git-repo-check", PROMPT], {"SCRIPTED_KEY": "dummy"}
    if agent == "gemini":
        write(home / ".gemini/settings.json", {
            "general": {"enableAutoUpdate": False}, "privacy": {"usageStatisticsEnabled": False},
            "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}}})
        return ["-m", model, "--yolo", "-p", PROMPT], {"GOOGLE_GEMINI_BASE_URL": url}
    if agent == "opencode":
        write(home / ".config/opencode/opencode.json", {
            "autoupdate": False, "share": "disabled", "model": f"anthropic/{model}", "small_model": f"anthropic/{model}",
            "provider": {"anthropic": {"npm": "@ai-sdk/anthropic", "options": {"baseURL": f"{url}/v1", "apiKey": "dummy"}, "models": {
                model: {"name": model, "tool_call": True, "limit": {"context": 200000, "output": 64000}}}}}})
        return ["run", PROMPT], {}
    write(home / ".openclaw/openclaw.json", {
        "update": {"checkOnStart": False},
        "models": {"mode": "merge", "providers": {"scripted": {
            "baseUrl": url, "apiKey": "dummy", "api": "anthropic-messages", "models": [
                {"id": model, "name": model, "reasoning": True, "input": ["text"], "contextWindow": 200000, "maxTokens": 8192,
                 "cost": {"input": 3, "output": 15, "cacheRead": 0.3, "cacheWrite": 3.75}}]}}},
        "agents": {"defaults": {"model": {"primary": f"scripted/{model}"}, "skipBootstrap": True, "workspace": str(work)}}})
    return ["agent", "--local", "--agent", "main", "--session-key", "agent:main:main", "--message", PROMPT, "--json"], {}


def guide(agent, args, top, fakellm):
    section(agent)
    found, path = program(agent, args.prefix)
    if not found:
        print(f"NOT RUN {agent}: {path}", flush=True)
        return
    world = World(args.bin, agents=["claude-2.1.329"], root=top / agent)
    hub = Hub(args.hub, world.root) if args.hub else None
    world.endpoint = hub.endpoint if hub else None
    work = world.root / "work"
    work.mkdir()
    script, requests = make_guided(fakellm), world.root / "requests.jsonl"
    server = fakellm.Server(0, script, {"requests": str(requests)})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command, variables = configure(agent, world.home, work, f"http://127.0.0.1:{server.server_address[1]}")
    env = world.env(PATH=path, SHELL="/bin/bash", **{**QUIET, **variables})
    run = lambda *words: subprocess.run(words, cwd=work, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                        timeout=600)
    done = run(args.bin, "update-skill", agent)
    check(f"{agent}: update-skill sets it up", done.returncode == 0, done.stdout + done.stderr)
    try:
        done = run(str(found), *command)
    except subprocess.TimeoutExpired as e:
        check(f"{agent}: ends", False, f"{e}; calls {script.calls}")
        return
    finally:
        server.shutdown()
    text = done.stdout + done.stderr
    calls = [c for i, c in enumerate(script.calls) if i == 0 or script.calls[i - 1] != c]
    note(f"{len(script.calls)} calls: {' → '.join(calls)}")
    state = world.cli("status").json
    check(f"{agent}: every step was taken in order",
          [c for c in calls if c != "status"][:6] == ["scan", "set_scope", "triage", "prepare_release", "review_pii", "confirm"], text)
    check(f"{agent}: the release is confirmed", state["state"] == "confirmed", state)
    sign = re.search(r"clawgate (sign \S+|keys init)", text)
    check(f"{agent}: the person is told what to run", sign, text)
    seen = requests.read_text("utf-8", "replace") if requests.exists() else ""
    check(f"{agent}: the model sees the skill", "Review and share coding-agent session logs safely" in seen, len(seen))
    if hub and state["state"] == "confirmed":
        release = world.cli("releases").json["releases"][0]["release"]
        world.keys_init()
        done = world.sign(release, REPO)
        published = world.cli("status").json
        check(f"{agent}: the person signs, and the release is published", published["releases"][0]["state"] == "published",
              (str(done), published))
        check(f"{agent}: the Hub has it", len(hub.commits()) >= 1, hub.commits())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=str(ROOT / "target/release/clawgate"))
    parser.add_argument("--tools", required=True, help="the folder of fakellm.py")
    parser.add_argument("--hub", help="hubstub.py, the local Hub")
    parser.add_argument("--prefix", type=pathlib.Path,
                        default=os.environ.get("AGENT_KIT_PREFIX") or ROOT / "target/ci/agents")
    parser.add_argument("--keep", type=pathlib.Path, help="keep the homes in this folder")
    parser.add_argument("agents", nargs="*", metavar="AGENT", help=", ".join(MODELS))
    args = parser.parse_args()
    args.bin, args.prefix = str(pathlib.Path(args.bin).resolve()), args.prefix.resolve()
    sys.path.insert(0, args.tools)
    fakellm = importlib.import_module("fakellm")
    unknown = [agent for agent in args.agents if agent not in MODELS]
    if unknown:
        parser.error(f"unknown agent {unknown[0]}; known: {', '.join(MODELS)}")
    (ROOT / "target").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "target", prefix="guided-") as top:
        for agent in args.agents or MODELS:
            guide(agent, args, args.keep or pathlib.Path(top), fakellm)
    finish()


if __name__ == "__main__":
    sys.exit(main())
