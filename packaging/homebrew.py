"""The Homebrew formula, for the archives of this version that are in the output directory."""

from package import ROOT, TARGETS, sha256

SYSTEMS = {"darwin": "on_macos", "linux": "on_linux"}
PROCESSORS = {"arm64": "on_arm", "x64": "on_intel"}


def build(facts, url_base, homepage, out):
    """Writes the formula. `url_base` is the address of the directory with the archives."""
    blocks = []
    for system, block in SYSTEMS.items():
        found = [(t, out / f"{facts.name}-{t.triple}.tar.gz") for t in TARGETS if t.os == system]
        found = [(t, path) for t, path in found if path.is_file()]
        if not found:
            continue
        lines = [f"  {block} do"]
        for target, path in found:
            lines += [
                f"    {PROCESSORS[target.cpu]} do", f'      url "{url_base}/{path.name}"',
                f'      sha256 "{sha256(path)}"', "    end",
            ]
        blocks.append("\n".join([*lines, "  end"]))
    text = (ROOT / "packaging/homebrew/clawgate.rb.in").read_text()
    values = {"homepage": homepage, "version": facts.version, "licence": facts.licence, "archives": "\n\n".join(blocks)}
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    path = out / "clawgate.rb"
    path.write_text(text)
    return path
