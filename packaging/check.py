"""Installs every package into a clean place, without a network, and runs the program from it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

from package import ROOT, PackagingError, run


def environment(home):
    """The variables of a new user: an empty home directory and the standard path."""
    home.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join(dict.fromkeys(str(pathlib.Path(shutil.which(p)).parent) for p in ["env", "node"] if shutil.which(p)))
    return {"HOME": str(home), "PATH": path, "CLAWGATE_HOME": str(home / "state"), "NO_COLOR": "1"}


def need(ok, what):
    if not ok:
        raise PackagingError(what)


def program_works(facts, program, home):
    """Runs the program as a new user does: version, status as JSON, and a wrong command with its exit code."""
    env = environment(home)
    version = run(program, "--version", env=env).strip()
    need(version == f"{facts.name} {facts.version}", f"{program} --version printed {version!r}")
    status = json.loads(run(program, "status", "--json", env=env))
    need(status.get("next"), f"{program} status --json has no next step: {status}")
    wrong = subprocess.run([program, "no-such-command"], env=env, capture_output=True, stdin=subprocess.DEVNULL)
    need(wrong.returncode == 2, f"{program} no-such-command ended with {wrong.returncode} instead of 2")
    return version


def archive(facts, path, work):
    with tarfile.open(path) as tar:
        tar.extractall(work, filter="data")
    top = work / path.name.removesuffix(".tar.gz")
    need((top / "man/clawgate.1").is_file() and (top / "completions/_clawgate").is_file(), "the archive lacks man or completions")
    return program_works(facts, top / facts.name, work / "home")


def wheel(facts, path, work):
    venv = work / "venv"
    run(sys.executable, "-m", "venv", venv)
    run(venv / "bin/pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", path)
    need((venv / "share/man/man1/clawgate.1").is_file(), "the wheel installed no manual page")
    version = program_works(facts, venv / "bin" / facts.name, work / "home")
    run(venv / "bin/pip", "uninstall", "--yes", "--quiet", "--disable-pip-version-check", facts.name)
    need(not (venv / "bin" / facts.name).exists(), "pip uninstall left the program")
    return version


def npm(facts, packages, work):
    npm_program = shutil.which("npm")
    if not npm_program:
        return None
    home = work / "home"
    env = {**environment(home), "npm_config_cache": str(work / "cache"), "npm_config_update_notifier": "false"}
    run(npm_program, "install", "--offline", "--no-audit", "--no-fund", "--prefix", work / "prefix", *packages, env=env)
    program = work / "prefix/node_modules/.bin" / facts.name
    version = program_works(facts, program, home)
    # The launcher passes a signal on, and the MCP server ends with its client.
    server = subprocess.Popen([program, "mcp"], env=environment(home), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    time.sleep(1)
    need(server.poll() is None, "the MCP server ended before its client")
    server.send_signal(signal.SIGTERM)
    need(server.wait(10) == -signal.SIGTERM, f"after SIGTERM the launcher ended with {server.returncode}")
    server.stdin.close()
    return version


def bundle(facts, path, work):
    with zipfile.ZipFile(path) as bundle_file:
        bundle_file.extractall(work)
    program = work / "server" / facts.name
    program.chmod(0o755)
    return program_works(facts, program, work / "home")


def cargo_install(facts, work):
    run("cargo", "install", "--locked", "--offline", "--quiet", "--path", ROOT, "--root", work / "cargo")
    return program_works(facts, work / "cargo/bin" / facts.name, work / "home")


def syntax(formula):
    """Checks what cannot be built here, if the tools are there. Returns lines of (what, result)."""
    checks = [
        ("Dockerfile", "hadolint", ["hadolint", ROOT / "packaging/Dockerfile"]),
        ("dist-workspace.toml", "dist", ["dist", "plan", "--allow-dirty"]),
        ("clawgate.rb", "ruby", ["ruby", "-c", formula]),
    ]
    for what, tool, command in checks:
        # Tools from PyPI are next to the running Python.
        found = shutil.which(tool) or shutil.which(tool, path=str(pathlib.Path(sys.executable).parent))
        if not found:
            yield what, f"NOT CHECKED, {tool} is not installed"
            continue
        run(found, *command[1:], cwd=ROOT)
        yield what, f"syntax checked with {tool}"
