"""The npm packages: a launcher, and one package with the binary for each platform.

The launcher names the platform packages as optional dependencies, so that npm installs the one that fits.
"""

import json

from package import ROOT, TARGETS, tar_gz


def platform_name(facts, target):
    return f"{facts.npm_name}-{target.os}-{target.cpu}"


def common(facts, name, description):
    return {
        "name": name, "version": facts.version, "description": description, "license": facts.licence,
        "author": facts.author, "keywords": facts.keywords,
    }


def write(path, manifest, files):
    text = (json.dumps(manifest, indent=2) + "\n").encode()
    files = [("package.json", text, 0o644), ("LICENSE", (ROOT / "LICENSE").read_bytes(), 0o644), *files]
    return tar_gz(path, [(f"package/{name}", data, mode) for name, data, mode in files])


def build(facts, target, binary, out):
    """Writes both packages. Returns the path of the launcher and that of the platform package."""
    name = platform_name(facts, target)
    platform = common(facts, name, f"The binary of {facts.name} for {target.os} {target.cpu}. Install {facts.npm_name} instead.")
    platform |= {"os": [target.os], "cpu": [target.cpu], "preferUnplugged": True}
    if target.is_linux:
        platform["libc"] = ["glibc"]
    program = (f"bin/{facts.name}{target.exe}", binary, 0o755)
    binary_package = write(out / f"{name}-{facts.version}.tgz", platform, [program])

    main = common(facts, facts.npm_name, facts.summary)
    main |= {
        # The MCP registry accepts the package only if it names its entry there.
        "mcpName": facts.registry_name,
        "bin": {facts.name: f"bin/{facts.name}.js"},
        "engines": {"node": ">=18"},
        "optionalDependencies": {platform_name(facts, t): facts.version for t in TARGETS},
    }
    readme = (
        f"# {facts.name}\n\n{facts.description}\n\nThis package starts the binary of your platform, which npm installs "
        f"with it as an optional dependency.\n"
    )
    launcher = (ROOT / "packaging/npm/launcher.js").read_bytes()
    launcher_package = write(
        out / f"{facts.npm_name}-{facts.version}.tgz", main,
        [(f"bin/{facts.name}.js", launcher, 0o755), ("README.md", readme.encode(), 0o644)],
    )
    return launcher_package, binary_package
