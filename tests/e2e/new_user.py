#!/usr/bin/env python3
"""Walks the path of a new user on a terminal of 100 columns, and follows only the hints that the program prints.

Three homes: an empty one, one whose user only wants costs, and one whose user publishes a release to a folder.
`--record FILE` writes the screens of the three paths as text.
"""

import re
import sys

import pyte

from common import PASSPHRASE, World, arguments, check, finish, need, note, section

COLUMNS, LINES = 100, 40
MAX_COMMANDS = 12
MAX_ANSWERS = 400
# Seconds without output after which the end of the screen is taken for a question.
SILENCE = 0.4
# A hint ends before two spaces: what follows says what the command does.
HINT = re.compile(r"^\s*next: +(?:run +)?`?clawgate((?: [^` \n]+)*)", re.MULTILINE | re.IGNORECASE)
SENTENCE = "I asked everyone whose name could be in it, and nobody objected to anything."

# What the person answers: a pattern at the end of the screen, and the answer. The first match counts.
ANSWERS = [
    (r'Type "([^"\n]+)" to approve: $', lambda m: m[1]),
    (r"(?:Passphrase|passphrase)[^\n]*: $", lambda m: PASSPHRASE),
    (r"Hub token[^\n]*: $", lambda m: ""),
    (r"r/e/k/a/all[^\n]*: $", lambda m: "all"),
    (r"Enter to skip\): $", lambda m: ""),
    (r"(?:--More--|\(END\)|^:) $", lambda m: "q"),
    (r"> $", lambda m: ""),
    (r"[?)] $", lambda m: SENTENCE),
    (r": $", lambda m: SENTENCE),
]


class Person:
    """A person at a terminal. `record` collects every command with its output."""

    def __init__(self, world, record):
        self.world, self.record, self.commands = world, record, []

    def run(self, *args):
        """Runs a command, answers its questions, and returns the exit code and the text on the screen."""
        import pexpect

        self.commands.append(" ".join(args))
        child = self.world.person(*args, env={"PAGER": "false", "NO_COLOR": None})
        child.setwinsize(LINES, COLUMNS)
        screen = pyte.HistoryScreen(COLUMNS, LINES, history=100_000, ratio=0.5)
        stream = pyte.Stream(screen)
        answered = 0
        while True:
            # A question is a known text at the cursor after the program has been silent for a moment.
            try:
                stream.feed(child.read_nonblocking(65536, timeout=SILENCE))
                continue
            except pexpect.TIMEOUT:
                pass
            except pexpect.EOF:
                break
            before = text_of(screen)
            for pattern, answer in ANSWERS:
                if found := re.search(pattern, before, re.MULTILINE if pattern.startswith("(?:--") else 0):
                    child.sendline(answer(found))
                    answered += 1
                    break
            if answered > MAX_ANSWERS:
                need(f"`clawgate {self.commands[-1]}` ends after {MAX_ANSWERS} answers", False, before[-500:])
        child.close()
        text = text_of(screen)
        self.record.append(f"$ clawgate {self.commands[-1]}\n{text}\n")
        return child.exitstatus, text


def text_of(screen):
    rows = [*screen.history.top, *(screen.buffer[y] for y in range(screen.lines))]
    lines = ["".join(row[x].data for x in range(screen.columns)).rstrip() for row in rows]
    return "\n".join(lines).rstrip() + ("" if screen.cursor.x == 0 else " ")


def hint(text):
    """Returns the arguments of the last hint, or None."""
    found = HINT.findall(text)
    return found[-1].split() if found else None


def nothing_there(binary, record):
    section("an empty home")
    world = World(binary, agents=[])
    person = Person(world, record)
    try:
        code, text = person.run()
        check("the first screen names a next step", hint(text) is not None, text)
        code, text = person.run("scan")
        check("a scan says that there are no logs", "No agent logs" in text, text)
        seen = set()
        step = hint(text)
        while step is not None and tuple(step) not in seen and len(seen) < 5:
            seen.add(tuple(step))
            _, text = person.run(*step)
            step = hint(text)
        check("the hints do not lead in a circle", step is None or tuple(step) not in seen or step == ["scan"], record[-1])
        check("no hint leads to the scope of nothing", not any(s and s[0] == "scope" for s in seen), seen)
        code, text = person.run("doctor")
        check("doctor lists the folders of the agents", ".claude/projects" in text and ".codex" in text, text)
        check("and where to go from there", hint(text) == ["demo"], text[-200:])
        code, text = person.run("demo")
        check("the demo passes", code == 0, text[-500:])
    finally:
        world.close()


def only_costs(binary, record):
    section("a home with logs, costs only")
    world = World(binary)
    person = Person(world, record)
    try:
        for command in (["cost"], ["cost", "--by", "model"], ["cost", "--by", "session", "--limit", "5"], ["pricing", "check"]):
            code, text = person.run(*command)
            check(f"`{' '.join(command)}` shows figures and no next step", hint(text) is None, text[-300:])
        code, text = person.run("cost")
        check("`cost` shows days", re.search(r"20\d\d-\d\d-\d\d", text) is not None, text)
    finally:
        world.close()


def the_whole_way(binary, record):
    section("from the first scan to a published folder")
    world = World(binary, agents=["claude-2.1.329"])
    person = Person(world, record)
    try:
        step, out = [], world.root / "out"
        while len(person.commands) < MAX_COMMANDS:
            code, text = person.run(*step)
            if out.is_dir() and any(out.iterdir()):
                break
            step = hint(text)
            if not need_hint(step, person, text):
                break
            # The hint about triage names sessions as `KEY...`; this person approves all of them.
            if step[0] == "approve":
                step = ["approve", "--all"]
            if step[0] == "prepare":
                step = ["prepare", "--folder", str(out)]
            if step[0] == "keys":
                step = ["keys", "init"]
        note(" → ".join(person.commands))
        check("the release is in the folder", (out / "README.md").is_file(), sorted(p.name for p in out.glob("*")))
        check(f"at most {MAX_COMMANDS} commands were needed", len(person.commands) <= MAX_COMMANDS, person.commands)
        confirmed = "\n".join(text for text in record if text.startswith("$ clawgate confirm"))
        check("the key is created before the statements, so that they count as the person's",
              "recorded as an agent's" not in confirmed and "by agent" not in record[-1], person.commands)
        check("no command was needed twice", len(set(person.commands)) == len(person.commands), person.commands)
        wide = [line for text in record for line in text.splitlines() if len(line) > COLUMNS and not line.startswith("$")]
        check("no line is wider than the terminal", not wide, wide[:3])
        code, text = person.run("publish")
        check("publishing again says that it was published", "published" in text.lower(), text)
        code, text = person.run("releases")
        check("`releases` lists the release as published", code == 0 and "published" in text, text)
    finally:
        world.close()


def need_hint(step, person, text):
    return check(f"`clawgate {person.commands[-1]}` names the next step", step is not None, text[-800:])


def main():
    record_to = None
    if "--record" in sys.argv:
        at = sys.argv.index("--record")
        record_to = sys.argv[at + 1]
        del sys.argv[at:at + 2]
    args = arguments(hub=False)
    record = []
    nothing_there(args.bin, record)
    only_costs(args.bin, record)
    the_whole_way(args.bin, record)
    if record_to:
        with open(record_to, "w", encoding="utf-8") as file:
            file.write("\n".join(record))
    finish()


main()
