#!/usr/bin/env python3
"""Records a terminal session of clawgate as an SVG picture.

Runs the real program in a pseudo-terminal, on the session logs in tests/fixtures, and draws its standard output.
Progress bars go to standard error and are not part of the picture.
Needs Python 3.9 or newer on Linux, and pyte (`pip install pyte`).

    cargo build --release --locked
    python3 docs/recording/record.py --bin target/release/clawgate

The picture is the same at every run: the home directory, the archive and the environment are made for the recording.
Two things in the output would differ and are replaced: the duration of a scan (by `--seconds`) and the random ends of
placeholders such as `[EMAIL_k3f9qa]` (by ends that are derived from the number of the placeholder).
"""

import argparse
import fcntl
import hashlib
import html
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

import pyte

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = REPOSITORY / "tests" / "fixtures" / "agents"

# Each entry is a command as a reader would type it, and whether to show the hint ("next: …") below its output.
SCRIPTS = {
    "tour": [
        ("clawgate scan", True),
        ("clawgate cost --by agent --limit 6", False),
        ("clawgate recent 4", False),
        ("cat notes.txt", False),
        ("clawgate redact < notes.txt", False),
    ],
}

# The secrets in this file are made here, so that no scanner mistakes this script for a leak.
NOTES = """\
remote: https://oauth:{token}@git.fjordteam.no/harbour.git
Reviewed-by: Sunniva Brekke <sunniva.brekke@fjordteam.no>, +47 912 34 567
export AWS_REGION=eu-north-1 DB_PASSWORD={password}
"""

COLUMN_WIDTH = 8.4
LINE_HEIGHT = 18
FONT_SIZE = 14
MARGIN = 18
TITLE_BAR = 34
TIMEOUT_SECONDS = 60
MAX_SPAN_CELLS = 30

BACKGROUND = "#16181d"
FOREGROUND = "#d8dbe2"
DIM = "#8b919e"
PROMPT = "#7fb4ff"
COLORS = {
    "black": "#5c6370",
    "red": "#f07178",
    "green": "#8fce7a",
    "brown": "#e5c07b",
    "yellow": "#e5c07b",
    "blue": "#7fb4ff",
    "magenta": "#d2a6ff",
    "cyan": "#66d0d6",
    "white": "#e8eaf0",
}


class Terminal(pyte.Screen):
    """A screen that also keeps the faint attribute, which pyte drops."""

    def __init__(self, columns, lines):
        super().__init__(columns, lines)
        self.set_mode(pyte.modes.LNM)

    def select_graphic_rendition(self, *attributes, **options):
        # pyte has no "faint": italics, which clawgate never uses, carry it instead.
        mapped = [3 if a == 2 else a for a in attributes]
        if 22 in mapped:
            mapped.append(23)
        super().select_graphic_rendition(*mapped, **options)


def make_home(root):
    """Makes a home directory that contains the logs of every fixture."""
    home = root / "home"
    for folder in sorted(FIXTURES.iterdir()):
        shutil.copytree(folder / "HOME", home, dirs_exist_ok=True)
    token = "ghp_" + letters("token", 36)
    (home / "notes.txt").write_text(NOTES.format(token=token, password=letters("password", 16)), encoding="utf-8")
    return home


def letters(seed, count):
    """Returns the same random-looking letters and digits for the same seed."""
    digest = hashlib.sha512(seed.encode()).digest()
    return "".join("bcdfghjkmnpqrstvwxyz23456789BCDFGHJKMNPQRSTVWXYZ"[byte % 48] for byte in digest[:count])


def without_variable_parts(text, seconds):
    """Replaces durations and the random ends of placeholders."""
    seen = {}

    def fixed(match):
        end = seen.setdefault(match[2], letters(f"placeholder {len(seen)}", 6).lower())
        return match[1] + end + match[3]

    text = re.sub(r"(\[[A-Z][A-Z0-9_]*_)([a-z0-9]{6})(\])", fixed, text)
    return re.sub(r"\b\d+\.\d+ s\b", f"{seconds} s", text)


def without_hint(rows):
    """Cuts the output before the line that names the next step."""
    for i, row in enumerate(rows):
        if text_of(row).startswith("next:"):
            rows = rows[:i]
            break
    while rows and not text_of(rows[-1]).strip():
        rows.pop()
    return rows


def run_in_terminal(command, columns, env, cwd):
    """Runs a shell command in a pseudo-terminal and returns its lines as lists of styled cells."""
    screen = Terminal(columns, 400)
    errors = tempfile.TemporaryFile()
    stream = pyte.ByteStream(screen)
    pid, descriptor = pty.fork()
    if pid == 0:
        # The window is small while the screen behind it is tall, so that nothing scrolls away.
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        os.dup2(errors.fileno(), 2)
        os.chdir(cwd)
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-c", command], env)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            sys.exit(f"{command}: no end after {TIMEOUT_SECONDS} s")
        ready, _, _ = select.select([descriptor], [], [], 1)
        if not ready:
            continue
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # Linux reports EIO once the program has closed the terminal.
            break
        if not data:
            break
        stream.feed(data)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        errors.seek(0)
        sys.exit(f"{command}: {errors.read().decode(errors='replace')}")
    rows = [[screen.buffer[y][x] for x in range(columns)] for y in range(screen.lines)]
    while rows and not text_of(rows[-1]).strip():
        rows.pop()
    return rows


def text_of(row):
    return "".join(cell.data for cell in row)


def color_of(cell):
    if cell.fg == "default":
        return DIM if cell.italics else FOREGROUND
    return COLORS.get(cell.fg.replace("bright", ""), f"#{cell.fg}" if len(cell.fg) == 6 else FOREGROUND)


def spans_of(row):
    """Joins neighbouring cells of one style; returns (column, text, color, bold).

    A span contains no two spaces in a row, because SVG viewers collapse them. It is short, so that the invented token
    is never one string in the file that a secret scanner would report.
    """
    spans = []
    for x, cell in enumerate(row):
        style = (color_of(cell), cell.bold)
        text = spans[-1][1] if spans and spans[-1][2:] == style else ""
        if text and len(text) < MAX_SPAN_CELLS and not (cell.data == " " and text.endswith(" ")):
            spans[-1] = (spans[-1][0], text + cell.data, *style)
        else:
            spans.append((x, cell.data, *style))
    return [span for span in spans if span[1].strip()]


def draw(lines, columns, title):
    """Draws lines of spans as an SVG document."""
    width = round(columns * COLUMN_WIDTH + 2 * MARGIN)
    height = TITLE_BAR + len(lines) * LINE_HEIGHT + MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" aria-label="{html.escape(title)}">',
        f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>',
        *(f'<circle cx="{22 + 20 * i}" cy="18" r="6" fill="#3a3f4b"/>' for i in range(3)),
        f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace"'
        f' font-size="{FONT_SIZE}">',
    ]
    for i, spans in enumerate(lines):
        y = TITLE_BAR + (i + 1) * LINE_HEIGHT - 5
        for column, text, color, bold in spans:
            lead = len(text) - len(text.lstrip())
            text = text.strip()
            x = MARGIN + (column + lead) * COLUMN_WIDTH
            # `textLength` keeps the columns aligned whatever font the viewer has.
            weight = ' font-weight="700"' if bold else ""
            out.append(
                f'<text x="{x:.1f}" y="{y}" textLength="{len(text) * COLUMN_WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"'
                f' fill="{color}"{weight}>{html.escape(text, quote=False)}</text>'
            )
    out += ["</g>", "</svg>", ""]
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description="Record a terminal session of clawgate as an SVG picture.")
    parser.add_argument("--bin", type=Path, default=REPOSITORY / "target" / "release" / "clawgate")
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--seconds", default="0.2", help="what replaces the measured time of a scan")
    args = parser.parse_args()
    binary = args.bin.resolve()
    if not binary.is_file():
        sys.exit(f"{binary}: no such file; build it with `cargo build --release --locked` or pass --bin")

    for name, script in SCRIPTS.items():
        with tempfile.TemporaryDirectory(prefix="clawgate-recording-") as folder:
            root = Path(folder)
            home = make_home(root)
            tools = root / "bin"
            tools.mkdir()
            (tools / "clawgate").symlink_to(binary)
            env = {
                "HOME": str(home),
                "CLAWGATE_HOME": str(home / ".clawgate"),
                "PATH": f"{tools}:/usr/bin:/bin",
                "TERM": "xterm-256color",
                "LANG": "C.UTF-8",
                "TZ": "UTC",
            }
            lines = []
            for command, hint in script:
                rows = run_in_terminal(command, args.columns, env, home)
                rows = rows if hint else without_hint(rows)
                lines.append([(0, "$", PROMPT, True), (2, command, FOREGROUND, True)])
                lines += [spans_of(row) for row in rows]
                lines.append([])
            picture = draw(lines[:-1], args.columns, f"Terminal session: {', '.join(c for c, _ in script)}")
            picture = without_variable_parts(picture, args.seconds)
            target = args.output / f"{name}.svg"
            target.write_text(picture, encoding="utf-8")
            print(f"{target}: {len(lines) - 1} lines, {len(picture)} bytes")


if __name__ == "__main__":
    main()
