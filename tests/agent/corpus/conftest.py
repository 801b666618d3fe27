"""Real files for the tests of formats, and a format that fails on purpose."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.real_files import extract


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """`real("pypdf==7.1.0", "resources/form.pdf")`: the path of that member of the package."""
    folder = tmp_path_factory.mktemp("real")
    known: dict[tuple[str, str], Path] = {}

    def member(requirement: str, inside: str) -> Path:
        if (requirement, inside) not in known:
            known[requirement, inside] = extract(requirement, inside, folder)
        return known[requirement, inside]

    return member


@pytest.fixture(scope="session")
def pypdf(real: Callable[[str, str], Path]) -> Callable[[str], Path]:
    return lambda name: real("pypdf==7.1.0", f"resources/{name}")


@pytest.fixture(scope="session")
def paperqa(real: Callable[[str, str], Path]) -> Callable[[str], Path]:
    return lambda name: real("paper-qa==2026.8.12", f"tests/stub_data/{name}")


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parser processes may take long to start and to end: the machine may be busy."""
    monkeypatch.setattr("longread.agent.corpus.parsing.pool._START", 300.0)
    monkeypatch.setattr("longread.agent.corpus.parsing.pool._LEAVE", 60.0)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers `faulty_format.Faulty` for this test, here and in the parser processes."""
    from longread.agent.corpus.formats import registry
    from tests.agent.corpus import faulty_format

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setattr(registry, "_formats", list(registry._formats))
    registry.register(faulty_format.Faulty())
    registry.register(faulty_format.FaultyWhole())
