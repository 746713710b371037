#!/usr/bin/env python3
"""Tests that no step can be skipped: each step too early, changes after the approval, and attacks.

The steps run over MCP and on the command line. The request log of a local Hub proves that nothing was uploaded.
"""

import json
import re
import shutil
import sqlite3

from common import (
    PASSPHRASE, WORDS, Hub, World, arguments, as_agent, check, confirm_by_cli, end, finish, need,
    review_by_cli, section, strip, tree,
)

REPO = "alice/skipping"
CONFIRM = {"skip_full_name_scan": True, "attest_full_name": WORDS, "attest_sensitive": WORDS,
           "attest_manual_scan": WORDS}
TOOLS = {
    "set_scope": {"confirm": True}, "triage": {"sessions": ["codex:0"], "status": "approved"},
    "prepare_release": {}, "review_pii": {}, "confirm": CONFIRM, "publish": {},
}
VERBS = {
    "set_scope": ["scope", "--confirm"], "triage": ["approve", "codex:0"], "prepare_release": ["prepare"],
    "review_pii": ["review"], "confirm": ["confirm", "--skip-full-name-scan", "--attest-full-name", WORDS,
    "--attest-sensitive", WORDS, "--attest-manual-scan", WORDS], "publish": ["publish"], "sign": ["sign"],
}
ALL = list(VERBS)


def table(world, state, due, steps):
    """Checks that every step of `steps` is refused in this state over MCP and on the command line, and that `due` is named."""

    async def over_mcp(agent):
        out = []
        for step in steps:
            if step in TOOLS:
                error, a = await agent.call(step, **TOOLS[step])
                ok = error and a["error"]["kind"] == "refused" and a["next"]["tool"] == due and a["next"]["command"]
                if not ok:
                    out.append((step, a))
        return out

    wrong = as_agent(world, over_mcp)
    n = len([s for s in steps if s in TOOLS])
    check(f"{state}: {n} tools are refused, {due} is due", not wrong, wrong)
    wrong = []
    for step in steps:
        done = world.cli(*VERBS[step])
        refusal = (done.json or {}).get("refusal") or {}
        if done.code != 3 or refusal.get("next_tool") != due or not refusal.get("next_command"):
            wrong.append((step, str(done)))
        plain = world.run(*VERBS[step])
        if plain.code != 3 or refusal.get("next_command", "?") not in plain.err:
            wrong.append((step, "as text", str(plain)))
    check(f"{state}: {len(steps)} commands exit 3, {due} is due", not wrong, wrong)


def walk(world, hub):
    """Tries all later steps in each state. Ends with a confirmed release."""
    section("steps too early")
    table(world, "nothing scanned", "scan", ALL)
    need("scan", world.cli("scan").code == 0)
    table(world, "scope not confirmed", "set_scope", ["prepare_release", "review_pii", "confirm", "sign", "publish"])
    need("scope", world.cli("scope", "--confirm").code == 0)
    table(world, "nothing approved", "triage", ["prepare_release", "review_pii", "confirm", "sign", "publish"])
    done = world.cli("approve", "--all")
    need("approve", done.code == 0, done)
    done = world.cli("config", "--repo", REPO, "--visibility", "private", "--licence", "cc-by-4.0")
    need("config sets the destination", done.code == 0, done)
    table(world, "nothing prepared", "prepare_release", ["review_pii", "confirm", "sign", "publish"])
    done = world.cli("prepare")
    need("prepare", done.code == 0, done)
    table(world, "prepared", "review_pii", ["confirm", "sign", "publish"])

    async def half(agent):
        # A page without an answer does not count as read.
        error, a = await agent.call("review_pii", decisions=[{"id": "all", "decision": "redact"}])
        error, b = await agent.call("review_pii", nonce="no-such-nonce", findings=[])
        check("an answer to an unknown page is refused", error, b)
        error, c = await agent.call("review_pii", decisions=[{"id": "all", "decision": "keep"}])
        check("an agent cannot decide to keep an entry", error and c["error"]["kind"] in ("human_needed", "usage"), c)
        return a["page"]["nonce"]

    as_agent(world, half)
    table(world, "half reviewed", "review_pii", ["confirm", "sign", "publish"])
    pages, done = review_by_cli(world)
    need(f"review in {pages} pages", done.code == 0 and done.json["state"] == "reviewed", done)
    table(world, "reviewed", "confirm", ["sign", "publish"])
    done = confirm_by_cli(world)
    need("confirm", done.code == 0, done)
    release = done.json["release"]
    command = f"clawgate sign {release}"

    async def publish(agent):
        return await agent.call("publish")

    error, a = as_agent(world, publish)
    check("confirmed: the error of publish over MCP says that a human is needed, and the command",
          error and a["error"]["kind"] == "human_needed" and command in a["human_action"], a)
    done = world.cli("publish")
    check("confirmed: publish exits 4 with the command", done.code == 4 and command in done.out, done)
    done = world.cli("sign", release)
    check("sign without a terminal exits 4 with the command", done.code == 4 and command in done.out, done)
    check("the Hub received no request", hub.requests() == [], hub.requests()[:2])
    return release


def changes(world, hub, release):
    """Changes something after the approval. Publishing must be refused, and the Hub must receive nothing."""
    section("changes after the approval")
    done = world.keys_init()
    need("keys init", done.code == 0, done)
    world.snapshot("confirmed")
    done = world.sign(release, REPO, PASSPHRASE, "--no-publish")
    need("sign --no-publish writes the receipt", done.code == 0
         and (world.state / "receipts" / f"{release}.json").exists(), done)
    need("sign --no-publish sends no request", hub.requests() == [], hub.requests()[:2])
    world.snapshot("approved")

    def byte_of(name):
        def change():
            path = next(p for p in sorted((world.state / "releases" / release).rglob("*")) if p.is_file() and name in p.name)
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.chmod(0o600)
            path.write_bytes(data)
        return change

    def more_file():
        folder = world.state / "releases" / release / "data"
        folder.chmod(0o700)
        (folder / "train-00009.jsonl").write_text("{}\n")

    def session_grows():
        log = next(p for p in sorted(world.home.rglob("*.jsonl")) if p.stat().st_size > 3000)
        lines = log.read_text().splitlines()
        line = next(l for l in reversed(lines) if '"role":"assistant"' in l and '"message"' in l)
        with log.open("a") as f:
            f.write(line + "\n" + line.replace('"role":"assistant"', '"role":"user"') + "\n")
        done = world.cli("scan")
        need("the scan updates the session that grew", done.code == 0 and done.json["sessions"]["updated"] >= 1, done)

    def cli(*args):
        def change():
            done = world.cli(*args)
            need(f"clawgate {' '.join(args)} succeeds", done.code == 0, done)
        return change

    def config_by_hand():
        path = world.state / "config.toml"
        text = path.read_text()
        need("config.toml contains the repository", REPO in text, text)
        path.write_text(text.replace(REPO, "alice/elsewhere"))

    def visibility_by_hand():
        path = world.state / "config.toml"
        path.write_text(path.read_text().replace('"private"', '"public"'))

    def sql(statement, *args):
        def change():
            with sqlite3.connect(world.state / "clawgate.db") as db:
                n = db.execute(statement, args).rowcount
            need("the statement changed something", n > 0, n)
        return change

    def state_json(edit):
        def change():
            with sqlite3.connect(world.state / "clawgate.db") as db:
                state, extra = db.execute("SELECT state, extra FROM releases WHERE id=?", (release,)).fetchone()
                state, extra = json.loads(state), json.loads(extra)
                edit(state, extra)
                db.execute("UPDATE releases SET state=?, extra=? WHERE id=?",
                           (json.dumps(state), json.dumps(extra), release))
        return change

    def to_public(state, extra):
        state["destination"]["visibility"] = "public"
        extra["destination"] = state["destination"]

    def to_other_repo(state, extra):
        text = json.dumps(state["destination"]).replace(REPO, "alice/elsewhere")
        state["destination"] = extra["destination"] = json.loads(text)

    def project():
        done = world.cli("list")
        return done.json["projects"][0]["name"]

    def exclude():
        cli("scope", "--exclude", project())()

    def block():
        done = world.cli("inbox", "--status", "approved")
        cli("block", done.json["sessions"][0]["key"])()

    cases = [
        ("a byte of a sealed data file", byte_of("train-00000")),
        ("a byte of the sealed card", byte_of("README.md")),
        ("a byte of the sealed metadata", byte_of("metadata.json")),
        ("a longer session", session_grows),
        ("another string to redact", cli("config", "--redact", "calc")),
        ("another user name to redact", cli("config", "--redact-usernames", "someoneelse")),
        ("another destination", cli("config", "--repo", "alice/elsewhere")),
        ("another destination, written into config.toml", config_by_hand),
        ("another visibility", cli("config", "--visibility", "public")),
        ("another visibility, written into config.toml", visibility_by_hand),
        ("another licence", cli("config", "--licence", "mit")),
        ("a session that was blocked", block),
        ("an excluded project", exclude),
        ("another visibility, written into the database", state_json(to_public)),
        ("another destination, written into the database", state_json(to_other_repo)),
        ("another reviewer, written into the evidence",
         sql("UPDATE served SET reviewer='person' WHERE release=?", release)),
        ("another decoy result, written into the evidence",
         sql("UPDATE planted SET misses=misses+1 WHERE release=?", release)),
        ("an answer removed from the evidence",
         sql("DELETE FROM served WHERE nonce=(SELECT nonce FROM served WHERE release=? LIMIT 1)", release)),
        ("another option of prepare", cli("prepare", "--no-thinking")),
    ]
    for name, change in cases:
        world.restore("approved")
        change()

        async def over_mcp(agent):
            return await agent.call("publish", release=release)

        error, a = as_agent(world, over_mcp)
        check(f"{name}: publish over MCP is refused", error, a)
        done = world.publish(release)
        check(f"{name}: publish at a terminal with the right passphrase is refused (exit {done.code})",
              done.code in (3, 4) and not re.search(r"^published ", strip(done.text), re.M), done)
        check(f"{name}: the Hub received no request", hub.requests() == [], hub.requests()[:2])

    return more_file


def attacks(world, hub, release, more_file):
    """Simulates an attacker with the person's account but without the passphrase."""
    section("attacks")
    base = len(hub.requests())

    def silent(name):
        check(f"{name}: the Hub received no request", len(hub.requests()) == base, hub.requests()[base:base + 2])

    # 1. A client that accepts every question.
    world.restore("confirmed")

    async def eager(agent):
        out = [await agent.call("publish", release=release)]
        for more in ({"approve": True}, {"passphrase": PASSPHRASE}, {"confirm": "yes", "force": "true"},
                     {"receipt": {"assurance": "A5"}}):
            out.append(await agent.call("publish", release=release, **more))
        return out, agent.elicited

    def yes(params):
        import mcp_types as types
        fields = params.requested_schema["properties"]
        content = {name: field.get("default") or field["enum"][0] for name, field in fields.items()}
        return types.ElicitResult(action="accept", content={**content, "approve": True, "passphrase": "x" * 20})

    answers, asked = as_agent(world, eager, elicit=yes)
    check(f"a client that accepts every question cannot publish ({asked} questions)",
          asked > 0 and all(error for error, _ in answers), answers)
    silent("a client that accepts every question")

    # 2. The phase in the database is changed to `approved`.
    for how in ("column", "state"):
        world.restore("confirmed")
        with sqlite3.connect(world.state / "clawgate.db") as db:
            db.execute("UPDATE releases SET phase='approved' WHERE id=?", (release,))
            if how == "state":
                db.execute("UPDATE releases SET state=json_set(state, '$.phase', 'approved') WHERE id=?", (release,))

        async def publish(agent):
            return await agent.call("publish", release=release)

        error, a = as_agent(world, publish)
        check(f"phase changed to approved ({how}): publish over MCP is refused", error, a)
        done = world.publish(release, "a guess of the passphrase")
        check(f"phase changed to approved ({how}): publish at a terminal without the passphrase is refused (exit {done.code})",
              done.code in (3, 4), done)
        done = world.publish(release)
        check(f"phase changed to approved ({how}): publish without a receipt is refused even with the passphrase (exit {done.code})",
              done.code in (3, 4), done)
        silent(f"phase changed to approved ({how})")

    # 3. A receipt that the attacker's key signed, with a matching database.
    world.restore("confirmed")
    attacker = World(world.bin, agents=[], endpoint=hub.endpoint, root=world.root / "attacker")
    shutil.copytree(world.state, attacker.state)
    shutil.rmtree(attacker.state / "keys")
    # The home is part of the policy, so the attacker uses the same home.
    attacker.home = world.home
    own = "the attacker's own passphrase"
    done = attacker.keys_init(passphrase=own)
    need("the attacker creates a key", done.code == 0, done)
    # The head of the copied log was with the person's key, so the attacker accepts in the copy that it is missing.
    done = attacker.accept_damage(own)
    need("the attacker accepts the damage of the copied log", done.code == 0, done)
    done = attacker.sign(release, REPO, own, "--no-publish")
    check("what the accepted part of the log says is no evidence", done.code == 3 and "does not match" in done.text, done)
    need("the attacker prepares again", attacker.cli("prepare").code == 0)
    pages, done = review_by_cli(attacker)
    need(f"the attacker reviews {pages} pages", done.code == 0 and done.json["state"] == "reviewed", done)
    done = confirm_by_cli(attacker)
    need("the attacker confirms", done.code == 0 and done.json["release"] == release, done)
    done = attacker.sign(release, REPO, own, "--no-publish")
    need("the attacker signs with it", done.code == 0, done)
    forged_receipt = (attacker.state / "receipts" / f"{release}.json").read_bytes()
    with sqlite3.connect(attacker.state / "clawgate.db") as db:
        phase, state = db.execute("SELECT phase, state FROM releases WHERE id=?", (release,)).fetchone()
    (world.state / "receipts").mkdir(exist_ok=True, mode=0o700)
    forged = world.state / "receipts" / f"{release}.json"
    forged.write_bytes(forged_receipt)
    # A file that others can read would be refused before its signature is checked.
    forged.chmod(0o600)
    with sqlite3.connect(world.state / "clawgate.db") as db:
        db.execute("UPDATE releases SET phase=?, state=? WHERE id=?", (phase, state, release))

    async def publish(agent):
        return await agent.call("publish", release=release)

    error, a = as_agent(world, publish)
    check("publish over MCP refuses the receipt of an unknown key", error, a)
    done = world.publish(release, own)
    check(f"publish with the attacker's passphrase is refused (exit {done.code})", done.code in (3, 4), done)
    done = world.publish(release)
    check(f"publish with the person's passphrase refuses the receipt of an unknown key (exit {done.code})", done.code == 3, done)
    silent("a forged receipt")

    # 4. The person's receipt with changed text.
    world.restore("approved")
    path = world.state / "receipts" / f"{release}.json"
    receipt = json.loads(path.read_text())
    for what, old, new in (("destination", REPO, "alice/elsewhere"), ("visibility", "private", "public")):
        receipt2 = dict(receipt, receipt=receipt["receipt"].replace(old, new))
        need(f"the receipt contains the {what}", receipt2 != receipt)
        path.chmod(0o600)
        path.write_text(json.dumps(receipt2))
        done = world.publish(release)
        check(f"a receipt with another {what} is refused (exit {done.code})", done.code in (3, 4), done)
    silent("a changed receipt")

    # 5. A pseudo-terminal without the passphrase.
    world.restore("confirmed")
    for guess in ("", "password", PASSPHRASE.upper()):
        done = world.sign(release, REPO, guess)
        check(f"sign on a pseudo-terminal with the passphrase {guess!r} is refused (exit {done.code})", done.code in (2, 4), done)
    for mark in ("CLAUDECODE", "CODEX_SANDBOX"):
        child = world.person("sign", release, env={mark: "1"})
        done = end(child)
        check(f"sign in a shell of an agent ({mark}) exits with 4", done.code == 4, done)
    check("no receipt exists", not (world.state / "receipts" / f"{release}.json").exists())
    silent("a pseudo-terminal")

    # 6. A write token in the environment is not used.
    world.restore("confirmed")
    open_token = {"HF_TOKEN": "hf_stubwritealice" + "0" * 20}
    done = world.cli("publish", env=open_token)
    check("publish with HF_TOKEN before the approval is refused (exit 4)", done.code == 4, done)
    world.restore("approved")
    done = world.cli("publish", env=open_token)
    check("publish with HF_TOKEN after the approval needs the passphrase (exit 4)", done.code == 4, done)
    silent("HF_TOKEN")
    done = world.cli("doctor", env=open_token)
    check("doctor warns about HF_TOKEN", any("token" in c["name"].lower() and c["verdict"] == "warn"
                                                  for c in done.json["checks"]), done)

    # 7. An entry is removed from the audit log.
    with sqlite3.connect(world.state / "clawgate.db") as db:
        db.execute("DELETE FROM audit WHERE seq = (SELECT max(seq) - 2 FROM audit)")
    done = world.cli("audit", "verify")
    check("audit verify finds the removed entry", done.code == 1 and done.json["whole"] is False, done)

    section("the correct way")
    world.restore("approved")
    more_file()
    done = world.publish(release)
    additional = [c for c in hub.commits() if "train-00009" in json.dumps(c)]
    check(f"an additional file in the release folder is not uploaded (exit {done.code})", not additional, done)
    if done.code == 0:
        return
    silent("an additional file")
    world.restore("approved")
    done = world.publish(release)
    check("the unchanged approved release is published with the passphrase", done.code == 0, done)
    check("the Hub has one commit", len(hub.commits()) == 1, len(hub.commits()))
    sealed = {p: b for p, b in tree(world.state / "releases" / release).items() if p != "provenance.json"}
    exported = {p: b for p, b in hub.export(REPO, world.root / "exported").items() if p != ".gitattributes"}
    provenance = exported.pop("provenance.json", None)
    check("the commit contains exactly the sealed files", exported == sealed, (sorted(exported), sorted(sealed)))
    check("the commit also contains the provenance", provenance is not None)
    verified = world.cli("verify", str(world.root / "exported"))
    check("`verify` accepts the commit", verified.code == 0, verified)
    # The restored state does not contain the publication. The receipt must not be used a second time.
    world.restore("approved")
    done = world.publish(release)
    check(f"a restored archive directory creates no second commit (exit {done.code})", len(hub.commits()) == 1, done)


def main():
    args = arguments(hub=True)
    world = World(args.bin, agents=["codex-0.169.0"], keep=args.keep)
    hub = Hub(args.hub, world.root)
    world.endpoint = hub.endpoint
    try:
        release = walk(world, hub)
        more_file = changes(world, hub, release)
        attacks(world, hub, release, more_file)
    finally:
        hub.close()
        world.close()
    finish()


main()
