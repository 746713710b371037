"""What all packages have in common: facts of `Cargo.toml`, targets, the files of an archive, and archives with fixed bytes."""

import dataclasses
import gzip
import hashlib
import io
import pathlib
import re
import struct
import subprocess
import tarfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Only files that a package manager puts into its own folders: shell, and the name under which the shell looks for it.
COMPLETIONS = {"bash": "clawgate", "zsh": "_clawgate", "fish": "clawgate.fish"}


class PackagingError(Exception):
    """A package could not be made, or does not work."""


@dataclasses.dataclass(frozen=True)
class Target:
    """A platform: its Rust triple, and how npm and wheels name it."""

    triple: str
    os: str
    cpu: str
    wheel: str
    exe: str = ""

    @property
    def is_linux(self):
        return self.os == "linux"


# `{glibc}` is the newest minor version of glibc 2 that the binary needs.
TARGETS = [
    Target("x86_64-unknown-linux-gnu", "linux", "x64", "manylinux_2_{glibc}_x86_64"),
    Target("aarch64-unknown-linux-gnu", "linux", "arm64", "manylinux_2_{glibc}_aarch64"),
    Target("x86_64-apple-darwin", "darwin", "x64", "macosx_10_12_x86_64"),
    Target("aarch64-apple-darwin", "darwin", "arm64", "macosx_11_0_arm64"),
    Target("x86_64-pc-windows-msvc", "win32", "x64", "win_amd64", ".exe"),
]


@dataclasses.dataclass(frozen=True)
class Facts:
    """The fields of `Cargo.toml` that packages repeat."""

    name: str
    version: str
    licence: str
    description: str
    summary: str
    author: str
    keywords: list
    npm_name: str
    registry_name: str

    @classmethod
    def read(cls):
        package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
        more = package["metadata"]["manifests"]
        return cls(
            package["name"], package["version"], package["license"], package["description"], more["summary"],
            more["author"], package["keywords"], more["npm-package"], more["mcp-registry-name"],
        )


def target_of(data):
    """Returns the target of a binary, as its header names it."""
    triple = None
    if data[:4] == b"\x7fELF":
        machine = {0x3E: "x86_64", 0xB7: "aarch64"}.get(struct.unpack_from("<H", data, 18)[0])
        if machine and b"/ld-linux-" in data[:4096]:
            triple = f"{machine}-unknown-linux-gnu"
    elif data[:4] == b"\xcf\xfa\xed\xfe":
        machine = {0x01000007: "x86_64", 0x0100000C: "aarch64"}.get(struct.unpack_from("<I", data, 4)[0])
        triple = f"{machine}-apple-darwin"
    elif data[:2] == b"MZ":
        triple = "x86_64-pc-windows-msvc"
    found = next((t for t in TARGETS if t.triple == triple), None)
    if not found:
        raise PackagingError("the file is not a binary of a known platform: " + ", ".join(t.triple for t in TARGETS))
    return found


def needed_glibc(data):
    """Returns the newest minor version of glibc 2 whose symbols the binary uses."""
    return max(int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", data))


def wheel_tag(target, data):
    return target.wheel.replace("{glibc}", str(needed_glibc(data)) if target.is_linux else "")


def run(*command, **how):
    """Runs a command and returns its output. Fails if it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, **how)
    if done.returncode:
        raise PackagingError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def extras(binary, work):
    """Returns the manual pages and completions, as relative path to bytes, written by the binary itself."""
    pages = work / "man"
    env = {"HOME": str(work), "CLAWGATE_HOME": str(work / "state")}
    run(binary, "man", "--out", pages, env=env)
    files = {f"man/{page.name}": page.read_bytes() for page in sorted(pages.glob("*.1"))}
    for shell, name in COMPLETIONS.items():
        files[f"completions/{name}"] = run(binary, "completions", shell, env=env).encode()
    return files


def tar_gz(path, files):
    """Writes an archive. `files` is a list of (path, bytes, mode). The same files give the same bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data, mode in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), mode, 499162500
            tar.addfile(entry, io.BytesIO(data))
    path.write_bytes(gzip.compress(raw.getvalue(), 9, mtime=0))
    return path


def archive(facts, target, binary, more, out):
    """Writes the archive that cargo-binstall, Homebrew and people download, with its checksum."""
    top = f"{facts.name}-{target.triple}"
    files = [(f"{top}/{facts.name}{target.exe}", binary, 0o755)]
    for name in ["LICENSE", "README.md", "CHANGELOG.md"]:
        files.append((f"{top}/{name}", (ROOT / name).read_bytes(), 0o644))
    files += [(f"{top}/{name}", data, 0o644) for name, data in more.items()]
    path = tar_gz(out / f"{top}.tar.gz", files)
    (out / f"{path.name}.sha256").write_text(f"{sha256(path)}  {path.name}\n")
    return path


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
