"""The PyPI wheel: the binary as a script, with its manual pages and completions."""

import base64
import hashlib
import zipfile

from package import ROOT, wheel_tag

# Where a prefix such as `/usr` or a virtual environment keeps the files of the archive.
PLACES = {
    "man/": "share/man/man1/",
    "completions/clawgate.fish": "share/fish/vendor_completions.d/clawgate.fish",
    "completions/_clawgate": "share/zsh/site-functions/_clawgate",
    "completions/clawgate": "share/bash-completion/completions/clawgate",
}


def place(name):
    for prefix, target in PLACES.items():
        if name == prefix or prefix.endswith("/") and name.startswith(prefix):
            return target + name.removeprefix(prefix)
    raise ValueError(name)


def metadata(facts):
    return (
        f"Metadata-Version: 2.1\nName: {facts.name}\nVersion: {facts.version}\nSummary: {facts.summary}\n"
        f"Author: {facts.author}\nLicense: {facts.licence}\nKeywords: {','.join(facts.keywords)}\n"
        "Classifier: Environment :: Console\nClassifier: Programming Language :: Rust\n"
        "Requires-Python: >=3.8\nDescription-Content-Type: text/markdown\n\n"
        f"{facts.description}\n\nThis wheel contains the program as a binary. It has no Python module.\n"
    )


def build(facts, target, binary, more, out):
    """Writes the wheel. The same files give the same bytes."""
    tag = f"py3-none-{wheel_tag(target, binary)}"
    info, data = f"{facts.name}-{facts.version}.dist-info", f"{facts.name}-{facts.version}.data"
    files = {f"{data}/scripts/{facts.name}{target.exe}": (binary, 0o755)}
    files |= {f"{data}/data/{place(name)}": (text, 0o644) for name, text in more.items()}
    files[f"{info}/LICENSE"] = ((ROOT / "LICENSE").read_bytes(), 0o644)
    files[f"{info}/METADATA"] = (metadata(facts).encode(), 0o644)
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: packaging/build\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(), 0o644,
    )
    record = "".join(f"{name},{digest(text)},{len(text)}\n" for name, (text, _) in files.items())
    files[f"{info}/RECORD"] = ((record + f"{info}/RECORD,,\n").encode(), 0o644)
    path = out / f"{facts.name}-{facts.version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as wheel:
        for name, (text, mode) in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr, entry.compress_type = (0o100000 | mode) << 16, zipfile.ZIP_DEFLATED
            wheel.writestr(entry, text, compresslevel=9)
    return path


def digest(data):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
