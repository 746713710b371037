"""Helpers of the end-to-end scripts: a temporary home, the command, a person at a terminal, an MCP client, the local Hub.

Every script runs alone: `python3 tests/e2e/SCRIPT.py --bin target/release/clawgate [--hub PATH/hubstub.py]`.
They change nothing outside a temporary directory. Python packages: `mcp`, `pexpect` (and, for the flow,
`huggingface_hub` and `datasets`).
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FIXTURES = ROOT / "tests" / "fixtures" / "agents"
AGENTS = ["claude-2.1.329", "codex-0.169.0"]
PASSPHRASE = "a horse, a battery and nine staples"
WORDS = "I asked the person and this is what they said to me."
# Write token of the local Hub. It is valid nowhere else.
HUB_TOKEN = "hf_stubwritealice" + "0" * 20

passed = 0
failed = []


def check(name, ok, detail=""):
    """Records one check. The run continues after a failure, so that one report lists all failures."""
    global passed
    if ok:
        passed += 1
        print(f"  ok    {name}", flush=True)
    else:
        failed.append(name)
        print(f"  FAIL  {name}: {str(detail)[:1500]}", flush=True)
    return bool(ok)


def need(name, ok, detail=""):
    """Records a check that all later checks depend on. The run ends if it fails."""
    if not check(name, ok, detail):
        finish()


def note(text):
    print(f"        {text}", flush=True)


def section(name):
    print(f"-- {name}", flush=True)


def finish():
    script = pathlib.Path(sys.argv[0]).name
    print(f"{script}: {passed} checks passed, {len(failed)} failed" + (": " + "; ".join(failed[:8]) if failed else ""))
    sys.exit(1 if failed else 0)


def arguments(hub):
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default=str(ROOT / "target" / "release" / "clawgate"), help="the clawgate binary")
    if hub:
        parser.add_argument("--hub", required=True, help="hubstub.py, the local Hub")
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory")
    args = parser.parse_args()
    args.bin = str(pathlib.Path(args.bin).resolve())
    if not os.access(args.bin, os.X_OK):
        parser.error(f"no binary at {args.bin}")
    return args


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def tree(folder):
    """Returns the path and bytes of every file below a folder."""
    folder = pathlib.Path(folder)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def digest(files):
    """Computes a release's digest as its dataset card describes."""
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(f"{path}\0{sha256(files[path])}\0{len(files[path])}\n".encode())
    return whole.hexdigest()


def planted(agent):
    """Returns (kind, class, value) of each value in a fixture's `planted.json`."""
    values = json.loads((FIXTURES / agent / "planted.json").read_text())["values"]
    return [(v["kind"], v["class"], v["value"]) for v in values]


def forms(value):
    """Returns the forms of a value in files: raw, JSON-escaped, JSON-escaped twice, and with non-ASCII characters escaped."""
    once = json.dumps(value, ensure_ascii=False)[1:-1]
    twice = json.dumps(once, ensure_ascii=False)[1:-1]
    ascii_ = json.dumps(value)[1:-1]
    return {f.encode() for f in (value, once, twice, ascii_)}


class Done:
    """The result of a command."""

    def __init__(self, code, out, err, rss=0, seconds=0.0):
        self.code, self.out, self.err, self.rss, self.seconds = code, out, err, rss, seconds
        try:
            self.json = json.loads(out)
        except ValueError:
            self.json = None

    @property
    def text(self):
        return self.out + self.err

    def __str__(self):
        return f"exit {self.code}; out {self.out[:600]!r}; err {self.err[:600]!r}"


class World:
    """A temporary home with copies of agents' logs, and an archive directory."""

    def __init__(self, binary, agents=AGENTS, endpoint=None, keep=False, root=None):
        self.bin, self.keep = binary, keep
        self.root = pathlib.Path(root or tempfile.mkdtemp(prefix="clawgate-e2e-"))
        self.home, self.state = self.root / "home", self.root / "state"
        self.home.mkdir(parents=True, exist_ok=True)
        for agent in agents:
            shutil.copytree(FIXTURES / agent / "HOME", self.home, dirs_exist_ok=True)
        self.endpoint = endpoint

    def add_session(self, session, text):
        """Adds a Claude Code session in which the user writes `text`."""
        folder = self.home / ".claude" / "projects" / "-home-mquintanilla-work-more"
        folder.mkdir(parents=True, exist_ok=True)
        common = {"sessionId": session, "cwd": "/home/mquintanilla/work/more", "version": "2.1.329",
                  "isSidechain": False, "userType": "external"}
        user = {**common, "type": "user", "uuid": session[:-1] + "1", "parentUuid": None,
                "timestamp": "2026-11-20T16:00:00.000Z", "message": {"role": "user", "content": text}}
        answer = {**common, "type": "assistant", "uuid": session[:-1] + "2", "parentUuid": user["uuid"],
                  "timestamp": "2026-11-20T16:00:01.000Z",
                  "message": {"id": "msg_" + session, "type": "message", "role": "assistant",
                              "model": "claude-haiku-4-5-20251001", "content": [{"type": "text", "text": "Noted."}],
                              "usage": {"input_tokens": 3, "output_tokens": 2}}}
        (folder / f"{session}.jsonl").write_text(json.dumps(user) + "\n" + json.dumps(answer) + "\n")

    def env(self, **more):
        """Returns the environment of commands. It inherits only PATH, so no token and no variable of an agent."""
        env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self.home),
            "CLAWGATE_HOME": str(self.state),
            "HF_HOME": str(self.root / "hf"),
            "HF_XET_CACHE": str(self.root / "xet"),
            "HF_ENDPOINT": self.endpoint or "http://127.0.0.1:9",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "NO_COLOR": "1",
            "TERM": "xterm",
        }
        env.update(more)
        return {k: v for k, v in env.items() if v is not None}

    def run(self, *args, stdin=None, timeout=300, env=None, prefix=(), limit=None):
        """Runs a command without a terminal and measures its peak memory."""

        def limits():
            if limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        started = time.time()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [*prefix, self.bin, *args],
                env=self.env(**(env or {})),
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.root,
                preexec_fn=limits,
                # Python ignores SIGXFSZ, and the child inherits that. So a write over the limit is an error, not a signal.
                restore_signals=False,
                start_new_session=True,
            )
            if stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(stdin)
                    process.stdin.close()
            deadline = started + timeout
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                if time.time() > deadline:
                    process.kill()
                    _, status, usage = os.wait4(process.pid, 0)
                    break
                time.sleep(0.005)
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0), err.seek(0)
            read = lambda f: f.read().decode("utf-8", "replace")
            return Done(process.returncode, read(out), read(err), usage.ru_maxrss, time.time() - started)

    def cli(self, *args, **how):
        """Runs a command with --json."""
        return self.run(*args, "--json", **how)

    def person(self, *args, env=None, timeout=60):
        """Runs a command on a pseudo-terminal, as a person would."""
        import pexpect

        child = pexpect.spawn(
            self.bin, list(args), env=self.env(**(env or {})), cwd=str(self.root), encoding="utf-8",
            codec_errors="replace", timeout=timeout, dimensions=(50, 120), echo=False,
        )
        child.logfile_read = Tape()
        return child

    def keys_init(self, token=HUB_TOKEN, passphrase=PASSPHRASE):
        """Creates the person's approver key. A `token` is stored encrypted with it."""
        child = self.person("keys", "init")
        child.expect(r"Passphrase[^:]*: ")
        child.sendline(passphrase)
        child.expect(r"Repeat passphrase: ")
        child.sendline(passphrase)
        child.expect(r"Hub token[^:]*: ")
        child.sendline(token or "")
        return end(child)

    def accept_damage(self, passphrase=PASSPHRASE):
        """Accepts that the audit log is damaged."""
        child = self.person("audit", "accept")
        child.expect(r"Passphrase: ")
        child.sendline(passphrase)
        return end(child)

    def sign(self, release, name, passphrase=PASSPHRASE, *flags):
        """Signs as the person: types the name of the destination, then the passphrase."""
        import pexpect

        child = self.person("sign", release, *flags)
        if child.expect([r"Type \"[^\n]*\" to approve: ", pexpect.EOF]) == 1:
            return end(child)
        child.sendline(name)
        for _ in range(3):
            if child.expect([r"Passphrase: ", pexpect.EOF]) == 1:
                break
            child.sendline(passphrase)
        return end(child)

    def publish(self, release, passphrase=PASSPHRASE):
        """Publishes a signed release as the person, who types the name that is asked for and the passphrase."""
        import pexpect

        child = self.person("publish", release)
        if child.expect([r"Type \"([^\n]*)\" to approve: ", r"Passphrase: ", pexpect.EOF]) == 0:
            child.sendline(child.match.group(1))
        elif child.after is pexpect.EOF:
            return end(child)
        else:
            child.sendline(passphrase)
        for _ in range(3):
            if child.expect([r"Passphrase: ", pexpect.EOF]) == 1:
                break
            child.sendline(passphrase)
        return end(child)

    def snapshot(self, name):
        for part in ("home", "state"):
            shutil.rmtree(self.root / name / part, ignore_errors=True)
            shutil.copytree(self.root / part, self.root / name / part, symlinks=True)

    def restore(self, name):
        for part in ("home", "state"):
            shutil.rmtree(self.root / part, ignore_errors=True)
            # copy2 preserves times and modes, so the archive sees only new inodes.
            shutil.copytree(self.root / name / part, self.root / part, symlinks=True)

    def close(self):
        if self.keep:
            note(f"kept {self.root}")
        else:
            shutil.rmtree(self.root, ignore_errors=True)


class Tape:
    """Records the output of a terminal."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def end(child):
    """Waits for a command on a terminal to end."""
    import pexpect

    tape = child.logfile_read
    with contextlib.suppress(pexpect.EOF):
        child.expect(pexpect.EOF)
    child.close()
    code = child.exitstatus if child.exitstatus is not None else -(child.signalstatus or 0)
    return Done(code, tape.text, "")


class Hub:
    """A local server with the Hub's API."""

    def __init__(self, script, root, *flags):
        self.state = pathlib.Path(root) / "hub"
        self.state.mkdir(parents=True, exist_ok=True)
        self.script, port = script, self.state / "port"
        self.log = open(pathlib.Path(root) / "hub.log", "w")
        self.process = subprocess.Popen(
            [sys.executable, script, "serve", "--state", str(self.state), "--port-file", str(port), *flags],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
        )
        for _ in range(200):
            if port.exists() and port.read_text().strip():
                break
            time.sleep(0.05)
        self.endpoint = f"http://127.0.0.1:{port.read_text().strip()}"

    def requests(self):
        path = self.state / "requests.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def commits(self):
        """Returns the commits in order, without those that only create a repository."""
        all_ = [json.loads(p.read_text()) for p in (self.state / "commits").glob("*.json")]
        return sorted((c for c in all_ if c.get("parent")), key=lambda c: c["date"])

    def blobs(self):
        """Returns every blob and xorb that the Hub received."""
        out = {}
        for folder in ("blobs", "xorbs", "xet"):
            for path in (self.state / folder).glob("*"):
                out[f"{folder}/{path.name}"] = path.read_bytes()
        return out

    def export(self, repo, out):
        done = subprocess.run(
            [sys.executable, self.script, "export", "--state", str(self.state), "--repo", f"datasets/{repo}",
             "--rev", "main", "--out", str(out)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return tree(out)

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


class Agent:
    """An agent's MCP client, based on the official Python SDK over stdio. Runs in the caller's event loop."""

    def __init__(self, world, elicit=None, env=None):
        self.world, self.progress, self.elicited, self.env_ = world, [], 0, env
        self._elicit = elicit

    async def __aenter__(self):
        from mcp import ClientSession, StdioServerParameters
        from mcp.client.stdio import stdio_client

        self.stack = contextlib.AsyncExitStack()
        params = StdioServerParameters(command=self.world.bin, args=["mcp"], env=self.world.env(**(self.env_ or {})))
        read, write = await self.stack.enter_async_context(stdio_client(params))
        more = {}
        if self._elicit:

            async def answer(context, params):
                self.elicited += 1
                return self._elicit(params)

            more["elicitation_callback"] = answer
        self.session = await self.stack.enter_async_context(ClientSession(read, write, **more))
        self.hello = await self.session.initialize()
        await self.session.list_tools()
        return self

    async def __aexit__(self, *what):
        return await self.stack.__aexit__(*what)

    async def call(self, tool, /, **args):
        """Returns (is_error, structured answer). The SDK validates successful answers against the tool's output schema."""

        async def progress(done, total, message):
            self.progress.append((tool, done, total, message))

        result = await self.session.call_tool(tool, args, 300, progress)
        answer = result.structured_content
        if answer is None:
            answer = {"text": " ".join(getattr(c, "text", "") for c in result.content)}
        size = len(json.dumps(answer, ensure_ascii=False).encode())
        if size > 8 * 1024 and "max_bytes" not in args:
            check(f"the answer of {tool} has at most 8 KB", False, f"{size} bytes")
        return bool(result.is_error), answer


def as_agent(world, work, **how):
    """Runs `await work(agent)` with a new MCP client."""

    async def main():
        async with Agent(world, **how) as agent:
            return await work(agent)

    return asyncio.run(main())


# The words before and after a decoy, and its type. The readers of these scripts find the server's decoys by them. A line
# end is written as a JSON escape.
CUES = [
    ("I promised ", " a short summary", "PERSON"),
    ("Check with ", " before you change anything", "PERSON"),
    ("This was an idea of ", ", not mine", "PERSON"),
    ("Yesterday ", " told me the same", "PERSON"),
    ("pairing notes: ", " drove", "PERSON"),
    ("last looked at by ", " on a Tuesday", "PERSON"),
    ("waiting for ", " to come back from leave", "PERSON"),
    ("Nobody outside may hear of ", " yet", "PROJECT"),
    ("Please keep ", " out of the changelog", "PROJECT"),
    ("We only do this for ", ", which is not announced", "PROJECT"),
    ("build label for the unannounced ", "\\n", "PROJECT"),
    ("internal code name in use: ", "\\n", "PROJECT"),
    ("Once it is green, ping ", " on chat", "HANDLE"),
    ("It was ", " who merged this last night", "HANDLE"),
    ("merged last night by ", "\\n", "HANDLE"),
    ("assigned on the board to ", "\\n", "HANDLE"),
    ("If it breaks, just call me on ", ".", "PHONE"),
    ("My number over the weekend is ", ".", "PHONE"),
    ("on call this week, ring ", "\\n", "PHONE"),
    ("fallback number in words: ", "\\n", "PHONE"),
    ("The account of ", " goes live", "CLIENT"),
    ("We do it because ", " asked for it and pays", "CLIENT"),
    ("invoice goes to ", "\\n", "CLIENT"),
    ("imported from the account of ", "\\n", "CLIENT"),
    ("It only fails on ", ", under my desk", "HOST"),
    ("I copied it over from ", " at home", "HOST"),
    ("copied over from ", "\\n", "HOST"),
    ("last seen on ", " in the basement", "HOST"),
]


def careful(page):
    """Returns what a careful reader finds in a page, as quote to type."""
    found = {}
    for before, after, kind in CUES:
        ends = ["\\n", '"'] if after == "\\n" else [after]
        for rest in page.split(before)[1:]:
            quote = min((rest.split(end)[0] for end in ends if end in rest), key=len, default="")
            if 3 <= len(quote) < 60:
                found[quote] = kind
    return found


async def skim(agent):
    """Reports no finding on any page, as a reader who does not read.

    Returns the number of pages, whether the last call failed, and its answer.
    """
    pages, everything = 0, [{"id": "all", "decision": "redact"}]
    error, answer = await agent.call("review_pii", decisions=everything)
    while not error and answer.get("page") and pages < 3000:
        pages += 1
        more = {"decisions": everything} if answer["remaining"]["entities"] else {}
        error, answer = await agent.call("review_pii", nonce=answer["page"]["nonce"], findings=[], **more)
    return pages, error, answer


async def review_to_end(agent, quotes=None):
    """Reads every page, reports the `quotes` (text to type) and all decoys in it, and redacts the whole inventory.

    Returns the number of pages, the number of accepted `quotes`, whether the last call failed, and its answer.
    """
    pages = taken = 0
    everything = [{"id": "all", "decision": "redact"}]
    error, answer = await agent.call("review_pii", decisions=everything)
    while not error and answer.get("page"):
        pages += 1
        if pages > 3000:
            raise RuntimeError("the review does not end")
        text = answer["page"]["text"]
        ours = {q: kind for q, kind in (quotes or {}).items() if q in text}
        found = [{"quote": q, "type": kind} for q, kind in {**careful(text), **ours}.items()]
        args = {"nonce": answer["page"]["nonce"], "findings": found}
        if answer["remaining"]["entities"]:
            args["decisions"] = everything
        error, answer = await agent.call("review_pii", **args)
        taken += len(ours) if answer.get("accepted") == len(found) else 0
    return pages, taken, error, answer


def review_by_cli(world):
    """Reads every page over the command line, as `review_to_end` does over MCP."""
    pages, done = 0, world.cli("review", "--redact-all")
    while done.code == 0 and done.json.get("page"):
        pages += 1
        more = ["--redact-all"] if done.json["remaining"]["entities"] else []
        found = [word for q, kind in careful(done.json["page"]["text"]).items() for word in ("--finding", f"{kind}={q}")]
        done = world.cli("review", "--nonce", done.json["page"]["nonce"], *(found or ["--none"]), "--max-bytes", "60000",
                         *more)
    return pages, done


def confirm_by_cli(world):
    return world.cli(
        "confirm", "--skip-full-name-scan", "--attest-full-name", WORDS, "--attest-sensitive", WORDS,
        "--attest-manual-scan", WORDS,
    )


def strip(text):
    """Removes the control sequences from a terminal's text."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)
