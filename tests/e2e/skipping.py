#!/usr/bin/env python3
"""Nobody gets past a step: each too early, over MCP and the command line; changes after the approval; and attacks.

With a local Hub whose request log proves that nothing was sent.
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
    """Every step of `steps` is refused in this state, through both faces, and `due` is named."""

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
            wrong.append((step, "in words", str(plain)))
    check(f"{state}: {len(steps)} commands exit 3, {due} is due", not wrong, wrong)


def walk(world, hub):
    """The skipping table, state by state; ends with a confirmed release."""
    section("each step too early")
    table(world, "nothing scanned", "scan", ALL)
    need("scan", world.cli("scan").code == 0)
    table(world, "scope not confirmed", "set_scope", ["prepare_release", "review_pii", "confirm", "sign", "publish"])
    need("scope", world.cli("scope", "--confirm").code == 0)
    table(world, "nothing approved", "triage", ["prepare_release", "review_pii", "confirm", "sign", "publish"])
    done = world.cli("approve", "--all")
    need("approve", done.code == 0, done)
    done = world.cli("config", "--repo", REPO, "--visibility", "private", "--licence", "cc-by-4.0")
    need("config takes the destination", done.code == 0, done)
    table(world, "nothing prepared", "prepare_release", ["review_pii", "confirm", "sign", "publish"])
    done = world.cli("prepare")
    need("prepare", done.code == 0, done)
    table(world, "prepared", "review_pii", ["confirm", "sign", "publish"])

    async def half(agent):
        # A page that is served and not answered is not read.
        error, a = await agent.call("review_pii", decisions=[{"id": "all", "decision": "redact"}])
        error, b = await agent.call("review_pii", nonce="no-such-nonce", findings=[])
        check("an answer to a page that was never served counts nothing", error, b)
        error, c = await agent.call("review_pii", decisions=[{"id": "all", "decision": "keep"}])
        check("an agent may keep nothing in clear", error and c["error"]["kind"] in ("human_needed", "usage"), c)
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
    check("confirmed: publish over MCP says that a human is needed, and the command",
          error and a["error"]["kind"] == "human_needed" and command in a["human_action"], a)
    done = world.cli("publish")
    check("confirmed: publish exits 4 with the command", done.code == 4 and command in done.out, done)
    done = world.cli("sign", release)
    check("sign without a terminal exits 4 with the command", done.code == 4 and command in done.out, done)
    check("the Hub heard nothing", hub.requests() == [], hub.requests()[:2])
    return release


def changes(world, hub, release):
    """Approved, then something changes: refused, and nothing at the Hub."""
    section("changes after the approval")
    done = world.keys_init()
    need("keys init", done.code == 0, done)
    world.snapshot("confirmed")
    done = world.sign(release, REPO, PASSPHRASE, "--no-publish")
    need("sign --no-publish writes the receipt", done.code == 0
         and (world.state / "receipts" / f"{release}.json").exists(), done)
    need("and sends nothing", hub.requests() == [], hub.requests()[:2])
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
        need("the scan sees that a session grew", done.code == 0 and done.json["sessions"]["updated"] >= 1, done)

    def cli(*args):
        def change():
            done = world.cli(*args)
            need(f"clawgate {' '.join(args)} itself works", done.code == 0, done)
        return change

    def config_by_hand():
        path = world.state / "config.toml"
        text = path.read_text()
        need("the repository stands in config.toml", REPO in text, text)
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
        ("a session that grew", session_grows),
        ("another string to redact", cli("config", "--redact", "calc")),
        ("another user name to redact", cli("config", "--redact-usernames", "someoneelse")),
        ("another destination", cli("config", "--repo", "alice/elsewhere")),
        ("another destination, written into config.toml", config_by_hand),
        ("another visibility", cli("config", "--visibility", "public")),
        ("another visibility, written into config.toml", visibility_by_hand),
        ("another licence", cli("config", "--licence", "mit")),
        ("a session that was blocked", block),
        ("a project taken out of scope", exclude),
        ("another visibility, written into the database", state_json(to_public)),
        ("another destination, written into the database", state_json(to_other_repo)),
        ("another reader, written into the evidence of the review",
         sql("UPDATE served SET reviewer='person' WHERE release=?", release)),
        ("another outcome, written into the evidence of the review",
         sql("UPDATE planted SET misses=misses+1 WHERE release=?", release)),
        ("an answer taken out of the evidence of the review",
         sql("DELETE FROM served WHERE nonce=(SELECT nonce FROM served WHERE release=? LIMIT 1)", release)),
        ("another option", cli("prepare", "--no-thinking")),
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
        check(f"{name}: the Hub heard nothing", hub.requests() == [], hub.requests()[:2])

    return more_file


def attacks(world, hub, release, more_file):
    """An attacker who runs as the person, without their passphrase."""
    section("attacks")
    base = len(hub.requests())

    def silent(name):
        check(f"{name}: the Hub heard nothing", len(hub.requests()) == base, hub.requests()[base:base + 2])

    # 1 a client that agrees to everything
    world.restore("confirmed")

    async def eager(agent):
        out = [await agent.call("publish", release=release)]
        for more in ({"approve": True}, {"passphrase": PASSPHRASE}, {"confirm": "yes", "force": "true"},
                     {"receipt": {"assurance": "A5"}}):
            out.append(await agent.call("publish", release=release, **more))
        return out, agent.elicited

    def yes(params):
        import mcp_types as types
        return types.ElicitResult(action="accept", content={"approve": True, "confirm": True, "passphrase": "x" * 20})

    answers, asked = as_agent(world, eager, elicit=yes)
    check(f"a client that says yes to everything publishes nothing (asked {asked} times)",
          all(error for error, _ in answers), answers)
    silent("a client that says yes")

    # 2 the database says approved
    for how in ("column", "state"):
        world.restore("confirmed")
        with sqlite3.connect(world.state / "clawgate.db") as db:
            db.execute("UPDATE releases SET phase='approved' WHERE id=?", (release,))
            if how == "state":
                db.execute("UPDATE releases SET state=json_set(state, '$.phase', 'approved') WHERE id=?", (release,))

        async def publish(agent):
            return await agent.call("publish", release=release)

        error, a = as_agent(world, publish)
        check(f"the database says approved ({how}): publish over MCP is refused", error, a)
        done = world.publish(release, "a guess of the passphrase")
        check(f"the database says approved ({how}): a terminal without the passphrase is refused (exit {done.code})",
              done.code in (3, 4), done)
        done = world.publish(release)
        check(f"the database says approved ({how}): even with the passphrase there is no receipt (exit {done.code})",
              done.code in (3, 4), done)
        silent(f"the database says approved ({how})")

    # 3 a receipt of the attacker's own key, with the database to match
    world.restore("confirmed")
    attacker = World(world.bin, agents=[], endpoint=hub.endpoint, root=world.root / "attacker")
    shutil.copytree(world.state, attacker.state)
    shutil.rmtree(attacker.state / "keys")
    # The home is part of the policy, so the attacker works in the same one.
    attacker.home = world.home
    own = "the attacker's own passphrase"
    done = attacker.keys_init(passphrase=own)
    need("the attacker makes a key of their own", done.code == 0, done)
    done = attacker.sign(release, REPO, own, "--no-publish")
    need("and signs with it", done.code == 0, done)
    forged_receipt = (attacker.state / "receipts" / f"{release}.json").read_bytes()
    with sqlite3.connect(attacker.state / "clawgate.db") as db:
        phase, state = db.execute("SELECT phase, state FROM releases WHERE id=?", (release,)).fetchone()
    (world.state / "receipts").mkdir(exist_ok=True, mode=0o700)
    (world.state / "receipts" / f"{release}.json").write_bytes(forged_receipt)
    with sqlite3.connect(world.state / "clawgate.db") as db:
        db.execute("UPDATE releases SET phase=?, state=? WHERE id=?", (phase, state, release))

    async def publish(agent):
        return await agent.call("publish", release=release)

    error, a = as_agent(world, publish)
    check("a receipt of a key that is not enrolled: publish over MCP is refused", error, a)
    done = world.publish(release, own)
    check(f"the attacker's passphrase opens nothing (exit {done.code})", done.code in (3, 4), done)
    done = world.publish(release)
    check(f"even the person's own passphrase publishes nothing under it (exit {done.code})", done.code == 3, done)
    silent("a forged receipt")

    # 4 the person's receipt, with its words changed
    world.restore("approved")
    path = world.state / "receipts" / f"{release}.json"
    receipt = json.loads(path.read_text())
    for what, old, new in (("destination", REPO, "alice/elsewhere"), ("visibility", "private", "public")):
        receipt2 = dict(receipt, receipt=receipt["receipt"].replace(old, new))
        need(f"the receipt names its {what}", receipt2 != receipt)
        path.chmod(0o600)
        path.write_text(json.dumps(receipt2))
        done = world.publish(release)
        check(f"a receipt whose {what} was changed is refused (exit {done.code})", done.code in (3, 4), done)
    silent("a changed receipt")

    # 5 a pseudo-terminal without the passphrase
    world.restore("confirmed")
    for guess in ("", "password", PASSPHRASE.upper()):
        done = world.sign(release, REPO, guess)
        check(f"sign on a pseudo-terminal with {guess!r} exits {done.code}", done.code in (2, 4), done)
    for mark in ("CLAUDECODE", "CODEX_SANDBOX"):
        child = world.person("sign", release, env={mark: "1"})
        done = end(child)
        check(f"sign in a shell with {mark} exits 4", done.code == 4, done)
    check("no receipt stands", not (world.state / "receipts" / f"{release}.json").exists())
    silent("a pseudo-terminal")

    # 6 a write token lying open is not used
    world.restore("confirmed")
    open_token = {"HF_TOKEN": "hf_stubwritealice" + "0" * 20}
    done = world.cli("publish", env=open_token)
    check("an open HF_TOKEN does not publish (exit 4)", done.code == 4, done)
    world.restore("approved")
    done = world.cli("publish", env=open_token)
    check("nor does it after the approval: the passphrase is still needed (exit 4)", done.code == 4, done)
    silent("an open token")
    done = world.cli("doctor", env=open_token)
    check("doctor points the open token out", any("token" in c["name"].lower() and c["verdict"] == "warn"
                                                  for c in done.json["checks"]), done)

    # 7 the audit log
    with sqlite3.connect(world.state / "clawgate.db") as db:
        db.execute("DELETE FROM audit WHERE seq = (SELECT max(seq) - 2 FROM audit)")
    done = world.cli("audit", "verify")
    check("an entry removed from the audit log is found", done.code == 1 and done.json["whole"] is False, done)

    section("and the honest way")
    world.restore("approved")
    more_file()
    done = world.publish(release)
    beside = [c for c in hub.commits() if "train-00009" in json.dumps(c)]
    check(f"a file put beside the sealed ones does not leave (exit {done.code})", not beside, done)
    if done.code == 0:
        return
    silent("a file put beside")
    world.restore("approved")
    done = world.publish(release)
    check("untouched, the approved release is published with the passphrase", done.code == 0, done)
    check("in one commit", len(hub.commits()) == 1, len(hub.commits()))
    sealed = tree(world.state / "releases" / release)
    exported = {p: b for p, b in hub.export(REPO, world.root / "exported").items() if p != ".gitattributes"}
    check("of the sealed bytes", exported == sealed, (sorted(exported), sorted(sealed)))
    # The state of before, put back, knows nothing of the publication; the receipt must not serve twice unseen.
    world.restore("approved")
    done = world.publish(release)
    check(f"an old copy of our directory publishes no second commit (exit {done.code})", len(hub.commits()) == 1, done)


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
