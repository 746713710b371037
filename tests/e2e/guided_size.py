#!/usr/bin/env python3
"""Measures how much an agent has to call and to read to guide a release of about 50 sessions over MCP.

guided_size.py --bin BIN --fixtures DIR

DIR has a folder for each agent, with its logs below `HOME`. The agent follows the workflow from `status` to the refusal of
`publish`, which names the command for the person. It reads every page of the review and finds the decoys.
"""

import argparse
import pathlib
import shutil

from common import WORDS, World, as_agent, check, finish, need, note, review_to_end, section

LOGS = ["claude-2.1.329", "codex-0.169.0", "copilot-1.0.102", "gemini-0.61.0", "openclaw-2026.9.6", "opencode-1.18.33"]
# The number of pages depends on the sample and on the decoys.
MAX_CALLS = 20
MAX_TOKENS = 25_000
# A common estimate for English text and JSON.
BYTES_PER_TOKEN = 4


async def guide(agent, measured):
    """Guides a release to the person's signature."""
    call_tool = agent.session.call_tool

    async def measure(tool, *args, **named):
        result = await call_tool(tool, *args, **named)
        measured.append((tool, sum(len(c.text.encode()) for c in result.content if hasattr(c, "text"))))
        return result

    agent.session.call_tool = measure
    _, status = await agent.call("status")
    _, scan = await agent.call("scan")
    need("scan lists the projects for the person", scan.get("projects"), scan)
    error, scope = await agent.call("set_scope", redact=["Acme Works"], confirm=True)
    need("set_scope confirms the scope", not error, scope)
    error, triage = await agent.call("triage", all=True, status="approved")
    need("triage approves all sessions", not error, triage)
    error, prepared = await agent.call("prepare_release", repo="alice/fifty", visibility="private", licence="cc-by-4.0")
    need("prepare_release seals the sessions", not error, prepared)
    pages, _, error, review = await review_to_end(agent)
    need(f"review_pii serves {pages} pages and accepts the review", not error, review)
    error, confirmed = await agent.call("confirm", skip_full_name_scan=True, attest_full_name=WORDS, attest_sensitive=WORDS,
                                        attest_manual_scan=WORDS)
    need("confirm takes the statements", not error, confirmed)
    error, published = await agent.call("publish")
    check("publish names the command for the person", error and "clawgate sign" in published.get("human_action", ""), published)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--fixtures", required=True, type=pathlib.Path)
    args = parser.parse_args()
    world = World(str(args.bin.resolve()), agents=[])
    for logs in LOGS:
        shutil.copytree(args.fixtures / logs / "HOME", world.home, dirs_exist_ok=True, symlinks=True)
    world.keys_init()
    section("guided release")
    measured = []
    as_agent(world, lambda agent: guide(agent, measured))
    sessions = sum(project["sessions"] for project in world.cli("list").json["projects"])
    tokens = sum(size for _, size in measured) // BYTES_PER_TOKEN
    for tool in dict.fromkeys(tool for tool, _ in measured):
        sizes = [size for name, size in measured if name == tool]
        note(f"{tool}: {len(sizes)} calls, {sum(sizes)} bytes")
    check(f"{sessions} sessions are about 50", 45 <= sessions <= 60)
    check(f"{len(measured)} calls, at most {MAX_CALLS}", len(measured) <= MAX_CALLS, measured)
    check(f"{tokens} tokens of answers, at most {MAX_TOKENS}", tokens <= MAX_TOKENS, measured)
    check("no answer is larger than 8 KB", all(size <= 8192 for _, size in measured), measured)
    world.close()
    finish()


main()
