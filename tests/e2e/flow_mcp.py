#!/usr/bin/env python3
"""Tests a release from scan to dataset: an agent prepares it over MCP, a person signs it at a terminal, a local Hub receives it.

Then `huggingface_hub` and `datasets` read the dataset back.
"""

import json
import re
import subprocess
import sys
import time

from common import (
    AGENTS, HUB_TOKEN, WORDS, Agent, Hub, World, arguments, as_agent, check, digest, finish, forms, need, note,
    planted, review_to_end, section, skim, strip, tree,
)

REPO = "alice/e2e-traces"
# Values that only the inventory lists, and quotes that only a reader finds.
INVENTORY = ["acmeworks.atlassian.net", "410293847561"]
QUOTES = {"the Quexley-Zorb account": "CLIENT"}
MORE = (f"The ticket is https://{INVENTORY[0]}/browse/OPS-12, the role arn:aws:iam::{INVENTORY[1]}:role/deploy; "
        f"it is all for {next(iter(QUOTES))}.")


async def early(agent, due, tools, where):
    """Checks that each of `tools` is refused and names the step that is due."""
    args = {
        "set_scope": {"confirm": True},
        "triage": {"sessions": ["claude:x"], "status": "approved"},
        "confirm": {"skip_full_name_scan": True, "attest_full_name": WORDS, "attest_sensitive": WORDS,
                    "attest_manual_scan": WORDS},
    }
    for tool in tools:
        error, a = await agent.call(tool, **args.get(tool, {}))
        step = (a.get("next") or {}).get("tool")
        kind = (a.get("error") or {}).get("kind")
        check(f"{where}: {tool} is refused, {due} is due", error and step == due and kind == "refused", a)


async def prepare_all(agent, world):
    tools = (await agent.session.list_tools()).tools
    note(f"{agent.hello.server_info.name} {agent.hello.server_info.version}, protocol "
         f"{agent.hello.protocol_version}, {len(tools)} tools")
    names = ("status scan list search read_session set_scope triage cost_report prepare_release review_pii "
             "confirm publish").split()
    check("the tools are listed in the order of the workflow", [t.name for t in tools][:12] == names, [t.name for t in tools])

    section("steps before the scan")
    steps = ["set_scope", "triage", "prepare_release", "review_pii", "confirm", "publish"]
    await early(agent, "scan", steps, "nothing scanned")

    section("scan and read")
    before = tree(world.home)
    error, a = await agent.call("scan")
    need("scan works", not error, a)
    counted = [p for p in agent.progress if p[0] == "scan"]
    rising = all(x[1] < y[1] for x, y in zip(counted, counted[1:]))
    check(f"scan sends progress ({len(counted)} notifications)", counted and rising, counted)
    check("the agents' files are unchanged", tree(world.home) == before)
    note(f"scan: {a['sessions']} {a['by_agent']} skipped {len(a['skipped'])}")
    error, again = await agent.call("scan")
    check("a second scan finds nothing new", not error and again["sessions"]["new"] == 0
          and again["sessions"]["updated"] == 0, again)
    keys, cursor = [], None
    while True:
        error, page = await agent.call("list", **({"cursor": cursor} if cursor else {}))
        need("list pages", not error, page)
        keys += [s["key"] for s in page["sessions"]]
        cursor = page.get("next_cursor")
        if not cursor:
            break
    check("list returns every session once", len(keys) == len(set(keys)) == a["sessions"]["total"], len(keys))
    error, projects = await agent.call("list", what="projects")
    check("list returns projects", not error and projects["projects"], projects)
    error, hits = await agent.call("search", query="calc*")
    check("search returns hits", not error and hits["hits"], hits)
    read, at = 0, 0
    while True:
        error, page = await agent.call("read_session", session=keys[0], **{"from": at})
        need("read_session pages", not error and page["text"].startswith("<untrusted-"), page)
        read += 1
        at = page.get("next_from")
        if at is None:
            break
    note(f"read {keys[0]} in {read} pages")

    await early(agent, "set_scope", ["prepare_release", "review_pii", "confirm", "publish"], "scope not confirmed")
    error, scope = await agent.call("set_scope", confirm=True)
    check("the scope is confirmed", not error and scope["confirmed"], scope)
    await early(agent, "triage", ["prepare_release", "review_pii", "confirm", "publish"], "nothing approved")
    marked = 0
    for i in range(0, len(keys), 20):
        error, a = await agent.call("triage", sessions=keys[i:i + 20], status="approved")
        need("triage marks", not error, a)
        marked += len(a["marked"])
    check("every session is approved", marked == len(keys), marked)
    await early(agent, "prepare_release", ["review_pii", "confirm", "publish"], "nothing prepared")

    section("prepare, review, confirm")
    agent.progress.clear()
    error, prepared = await agent.call(
        "prepare_release", repo=REPO, visibility="private", licence="cc-by-4.0")
    need("prepare works", not error, prepared)
    check("prepare sends progress", any(p[0] == "prepare_release" for p in agent.progress), agent.progress)
    note(f"release {prepared['release']}: {prepared['rows']} rows, {len(prepared['files'])} files, redactions "
         f"{sum(prepared['privacy_report']['redactions'].values())}, inventory "
         f"{prepared['privacy_report']['entities']}")
    check("the inventory has undecided entries", prepared["privacy_report"]["entities"]["undecided"] >= len(INVENTORY),
          prepared["privacy_report"]["entities"])
    await early(agent, "review_pii", ["confirm", "publish"], "not reviewed")
    pages, error, a = await skim(agent)
    check(f"a reader who reports nothing on {pages} pages has not reviewed the release", error and a["error"]["code"] == "reader_below_floor"
          and a["state"] == "prepared" and a["next"]["tool"] == "review_pii"
          and "clawgate review" in a.get("human_action", ""), a)
    await early(agent, "review_pii", ["confirm", "publish"], "reviewed without reading")
    started = time.time()
    pages, taken, error, last = await review_to_end(agent, QUOTES)
    need("the review comes to its end", not error and last["remaining"]["sessions"] == 0, last)
    note(f"{pages} pages read in {time.time() - started:.1f} s, {taken} findings reported")
    reader = last["evidence"]["reader"]
    check(f"the reader is measured: {reader['found']} of {reader['planted']}, bound {reader['lower_bound']}",
          reader["counts"] and reader["planted"] >= 3, reader)
    check("the findings of the reader were accepted", taken == len(QUOTES), taken)
    check("the release is reviewed, and confirm is due", last["state"] == "reviewed" and last["next"]["tool"] == "confirm", last)
    await early(agent, "confirm", ["publish"], "not confirmed")
    error, short = await agent.call("confirm", skip_full_name_scan=True, attest_full_name="ok",
                                    attest_sensitive="ok", attest_manual_scan="ok")
    check("an attestation of two letters is refused", error, short)
    error, confirmed = await agent.call("confirm", skip_full_name_scan=True, attest_full_name=WORDS,
                                        attest_sensitive=WORDS, attest_manual_scan=WORDS)
    need("confirm works", not error, confirmed)
    check("the whole sample was read", confirmed["sample_read"] >= min(20, confirmed["rows"]), confirmed)

    section("publish without a person")
    command = f"clawgate sign {prepared['release']}"
    error, a = await agent.call("publish")
    human = error and a.get("error", {}).get("kind") == "human_needed"
    check("the error says that a human is needed, and the exact command", human and command in a.get("human_action", ""), a)
    check("`next` creates the approver key that does not exist yet", a.get("next", {}).get("command") == "clawgate keys init", a)
    return prepared["release"], confirmed["evidence"]["root"]


def read_back(world, hub, sealed, rows):
    """Reads the dataset with the Hub's official clients, in a separate process, because their caches and endpoint are global."""
    code = """
import json, sys
from huggingface_hub import HfApi, snapshot_download
repo, token, out = sys.argv[1:4]
info = HfApi(token=token).dataset_info(repo)
folder = snapshot_download(repo, repo_type='dataset', token=token, local_dir=out)
from datasets import load_dataset
data = load_dataset(repo, split='train', token=token)
try:
    HfApi(token=False).dataset_info(repo); open_to_all = True
except Exception:
    open_to_all = False
first = data[0]
print(json.dumps({'private': info.private, 'open_to_all': open_to_all, 'rows': len(data), 'columns': data.column_names,
  'ids': sorted(data['session_id']), 'message': sorted(first['messages'][0].keys()) if isinstance(first['messages'][0], dict) else str(type(first['messages'][0])),
  'tool_uses': sum(r['stats']['tool_uses'] for r in data)}))
"""
    out = world.root / "downloaded"
    env = world.env(HF_HOME=str(world.root / "hf-reader"), HF_DATASETS_CACHE=str(world.root / "hf-datasets"),
                    HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1")
    done = subprocess.run([sys.executable, "-c", code, REPO, HUB_TOKEN, str(out)], env=env, capture_output=True,
                          text=True, timeout=300)
    need("huggingface_hub and datasets read the dataset", done.returncode == 0, done.stderr[-1500:])
    seen = json.loads(done.stdout.strip().splitlines()[-1])
    check("the repository is private", seen["private"] is True and not seen["open_to_all"], seen)
    files = {p: b for p, b in tree(out).items() if not p.startswith(".cache/") and p not in (".gitattributes", "provenance.json")}
    check("huggingface_hub downloads exactly the sealed files", files == sealed,
          {p: (len(b), len(sealed.get(p, b""))) for p, b in files.items()})
    own = [json.loads(l) for p, b in sealed.items() if p.startswith("data/") for l in b.splitlines()]
    check(f"datasets loads {seen['rows']} rows", seen["rows"] == rows == len(own), (seen["rows"], rows, len(own)))
    columns = list(own[0].keys())
    check(f"the dataset has {len(columns)} columns", sorted(seen["columns"]) == sorted(columns), (seen["columns"], columns))
    check("the dataset has the same sessions", seen["ids"] == sorted(r["session_id"] for r in own))
    check("the dataset has the same figures", seen["tool_uses"] == sum(r["stats"]["tool_uses"] for r in own), seen)
    note(f"columns {', '.join(seen['columns'])}; a message has {seen['message']}")


def main():
    args = arguments(hub=True)
    world = World(args.bin, keep=args.keep)
    world.add_session("0e2e0000-0000-4000-8000-000000000000", MORE)
    hub = Hub(args.hub, world.root)
    world.endpoint = hub.endpoint
    try:
        release, review_root = as_agent(world, lambda agent: prepare_all(agent, world))
        check("the Hub received no request", hub.requests() == [], hub.requests()[:3])

        section("a person signs")
        sealed = tree(world.state / "releases" / release)
        done = world.sign(release, REPO)
        check("sign without keys is refused and names keys init",
              done.code == 4 and "clawgate keys init" in done.text, done)
        done = world.keys_init()
        need("keys init creates the key and encrypts the token", done.code == 0 and re.search(r"Hub token\s+stored", done.text), done)
        leaks = [p for p, b in tree(world.state).items() if HUB_TOKEN.encode() in b]
        check("no file contains the token in clear text", not leaks, leaks)
        done = world.sign(release, "alice/other")
        check("sign is refused if the person types another name", done.code == 3 and "published" not in done.text, done)
        done = world.sign(release, REPO, "not the passphrase at all")
        check("sign is refused with a wrong passphrase", done.code == 4, done)
        check("the Hub received no request before the receipt", hub.requests() == [], hub.requests()[:3])
        receipt = world.state / "receipts" / f"{release}.json"
        check("no receipt exists", not receipt.exists())
        done = world.sign(release, REPO)
        need("sign signs and publishes", done.code == 0 and "published" in done.text, done)
        shown = strip(done.text)
        check("sign shows destination, visibility and digest",
              all(w in shown for w in (REPO, "private", digest(sealed), "cc-by-4.0")), shown)
        signed = json.loads(receipt.read_text())
        issued = json.loads(signed["receipt"])
        first = min(r["ts"] for r in hub.requests())
        check("the first request to the Hub is later than the receipt", first[:19] >= issued["issued"][:19],
              (first, issued["issued"]))
        note(f"receipt {issued['issued']} by key {signed['key']} at {issued['assurance']}; first request {first}, "
             f"{len(hub.requests())} requests")

        section("content of the Hub")
        commits = hub.commits()
        check("exactly one commit", len(commits) == 1, [(c["sha"], c["message"]) for c in commits])
        exported = {p: b for p, b in hub.export(REPO, world.root / "exported").items() if p != ".gitattributes"}
        check("the signed provenance statement goes with the files", exported.pop("provenance.json", None), sorted(exported))
        check("the Hub has exactly the sealed files", exported == sealed and exported, (sorted(exported), sorted(sealed)))
        check("the receipt contains the evidence of the review", issued["review"] == review_root, issued)
        check("the receipt contains the digest of the release", digest(exported) == issued["files"], issued)
        beside = {p: b for p, b in tree(world.state / "releases" / release).items() if p != "provenance.json"}
        check("the sealed files are unchanged", beside == sealed)
        received = hub.blobs()
        for wanted in ("secret", "pii"):
            values = [(agent, kind, value) for agent in AGENTS for kind, class_, value in planted(agent)
                      if (class_ == "secret") == (wanted == "secret")]
            found = [(agent, kind, name) for agent, kind, value in values for form in forms(value)
                     for name, data in received.items() if form in data]
            words = "secrets" if wanted == "secret" else "other personal values"
            check(f"{len(received)} blobs contain none of {len(values)} planted {words}", not found, found)
        found = [v for v in [*INVENTORY, *QUOTES] if any(f in data for f in forms(v) for data in received.values())]
        check("no blob contains a value of the inventory or of the reader's findings", not found, found)
        sent = [r for r in hub.requests() if HUB_TOKEN in json.dumps(r)]
        check("no logged request contains the token", not sent)
        rows = sum(b.count(b"\n") for p, b in sealed.items() if p.startswith("data/"))
        read_back(world, hub, sealed, rows)

        section("after the publication")
        before = len(hub.requests())

        async def again(agent):
            error, a = await agent.call("publish", release=release)
            check("publishing again is refused", error and a["error"]["code"] == "already_published", a)
            error, a = await agent.call("status")
            check("status shows the commit", not error and a["releases"][0]["commit"] == commits[0]["sha"], a)

        as_agent(world, again)
        done = world.publish(release)
        check("publishing again at a terminal is refused", done.code == 3, done)
        done = world.sign(release, REPO)
        check("signing again is refused", done.code in (3, 4), done)
        check("the Hub received no further request", len(hub.requests()) == before)
        done = world.cli("audit", "verify")
        check("the audit log is complete", done.code == 0 and done.json["whole"] and done.json["entries"] > 10, done)
        done = world.cli("doctor")
        check("doctor finds no fault", done.code == 0 and done.json["healthy"], done)
    finally:
        hub.close()
        world.close()
    finish()


main()
