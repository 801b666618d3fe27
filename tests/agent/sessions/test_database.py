"""The database of the conversations: versions old and new, damage, and places where it cannot be."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from longread.agent.sessions import CUT_OFF, Sessions, data_dir, database
from longread.errors import SessionError
from tests.support.corpora import corpus, document
from tests.support.messages import says

BOOK = corpus(document("book", "One token takes 57,344 bytes."))
WRITTEN = Path(__file__).parent / "databases"
OLD = [int(path.stem) for path in WRITTEN.glob("*.sql")]


@pytest.fixture
def path() -> Path:
    return Path(os.environ["LONGREAD_DATA_DIR"]) / "sessions.db"


def make(path: Path, script: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


def schema(path: Path) -> set[tuple[str, str, str]]:
    connection = sqlite3.connect(path)
    found = {tuple(row) for row in connection.execute("SELECT type, name, sql FROM sqlite_master")}
    connection.close()
    return found


# Versions


def test_every_version_has_its_migration_and_a_database_of_it_to_test() -> None:
    assert sorted(OLD) == list(range(1, database.VERSION + 1))
    folder = Path(database.__file__).with_name("schema")
    assert {path.name for path in folder.iterdir()} == {f"{version}.sql" for version in OLD}


@pytest.mark.parametrize("version", OLD)
def test_a_database_of_every_version_is_brought_up_to_date_with_all_it_has(
    path: Path, version: int, tmp_path: Path
) -> None:
    make(path, (WRITTEN / f"{version}.sql").read_text())
    with Sessions() as sessions:
        first = sessions.get("0123")
        assert [(t.question, t.answer, t.state) for t in first.turns()] == [
            ("How many bytes?", "It takes 57,344 bytes [book:1].", "finished"),
            ("合同是谁签的？", "合同由王芳于二〇二四年签", "failed"),
        ]
        roles = [message["role"] for message in first.history()]
        assert roles == ["user", "assistant", "function", "assistant", "user", "assistant"]
        assert first.turns()[0].usage == {
            "prompt_tokens": 100, "cached_tokens": 60, "output_tokens": 3, "ttft": 0.5, "seconds": 1.5,
            "estimated": False,
        }  # fmt: skip
        assert first.turns()[0].documents[0].page_count == 208
        assert first.corpus.selections == ("book:1-208",)
        (killed,) = sessions.get("fedc").turns()
        assert (killed.state, killed.answer) == ("interrupted", "Jürgen Groß")
        assert sessions.get("fedc").history()[-1]["content"].endswith(CUT_OFF)
        for text, id in (("bytes", "0123"), ("王芳", "0123"), ("二〇二四年", "0123"), ("groß", "fedc")):
            assert [hit.session[:4] for hit in sessions.search(text)] == [id], text
        first.begin("And now?").finish("It goes on.")
        assert sessions.search("goes on")
        assert sessions._database.read("PRAGMA integrity_check")[0][0] == "ok"
        assert sessions._database.read("PRAGMA foreign_key_check") == []
        sessions._database.append("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)", ())
        assert sessions._database.read("PRAGMA user_version")[0][0] == database.VERSION
    Sessions(tmp_path / "new.db").close()
    assert schema(path) == schema(tmp_path / "new.db")


@pytest.mark.parametrize("version", OLD)
def test_a_migration_once_released_does_not_change(tmp_path: Path, version: int) -> None:
    """The schema that the migrations up to a version make is that of the database which was written with it."""
    make(tmp_path / "then.db", (WRITTEN / f"{version}.sql").read_text())
    make(tmp_path / "now.db", "".join(database.migration(one) for one in range(1, version + 1)))
    assert schema(tmp_path / "now.db") == schema(tmp_path / "then.db")


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(path, (WRITTEN / "1.sql").read_text())
    before = schema(path)
    migration = database.migration
    monkeypatch.setattr(database, "migration", lambda version: migration(version) + "INSERT INTO nowhere VALUES (1);")
    with pytest.raises(SessionError, match=r"sessions\.db: .*nowhere"):
        Sessions()
    assert schema(path) == before
    monkeypatch.undo()
    monkeypatch.setenv("LONGREAD_DATA_DIR", str(path.parent))
    with Sessions() as sessions:
        assert len(sessions.list()) == 2


def test_a_database_of_a_newer_longread_is_left_alone(path: Path) -> None:
    Sessions().close()
    make(path, "PRAGMA user_version = 7")
    before = path.read_bytes()
    with pytest.raises(
        SessionError,
        match=r"sessions\.db.*longread.*7.*2.*older\..*longread.*LONGREAD_DATA_DIR",
    ):
        Sessions()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "script", ["CREATE TABLE sessions (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 5; CREATE TABLE x (y)"]
)
def test_a_database_of_another_program_is_left_alone(path: Path, script: str) -> None:
    make(path, script)
    before = path.read_bytes()
    with pytest.raises(SessionError, match=r"sessions\.db is a database of another program"):
        Sessions()
    assert path.read_bytes() == before


def test_an_sqlite_that_is_too_old_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 26, 0))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.26.0")
    with pytest.raises(SessionError, match=r"Python.*SQLite 3\.26\.0.*3\.34\.0"):
        Sessions()


# Damage


def cut_header(data: bytes) -> bytes:
    return b"not a database at all" + data[21:]


def overwrite(data: bytes) -> bytes:
    return data[:4096] + b"\xa5" * (len(data) - 4096)


def halve(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("damage", [cut_header, overwrite, halve])
def test_a_damaged_database_is_one_line_with_its_path_and_what_to_do(
    path: Path, damage: Callable[[bytes], bytes]
) -> None:
    with Sessions() as sessions:
        for _ in range(20):
            sessions.create(BOOK, "scripted").begin("Well? " * 50).finish("Yes. " * 200)
    path.write_bytes(damage(path.read_bytes()))

    def read_all() -> None:
        with Sessions() as sessions:
            for summary in sessions.list():
                sessions.get(summary.id).turns()

    with pytest.raises(SessionError) as raised:
        read_all()
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"{path} is damaged (")
    assert says(message, "Move", "away", "made")
    path.unlink()
    with Sessions() as sessions:
        assert sessions.list() == []


def test_a_write_ahead_log_that_is_damaged_costs_only_its_end(path: Path, tmp_path: Path) -> None:
    with Sessions() as sessions:
        session = sessions.create(BOOK, "scripted")
        for i in range(20):
            session.begin(f"{i}?").finish("Yes.")
        copy = tmp_path / "copy.db"
        shutil.copy(path, copy)
        log = Path(f"{path}-wal").read_bytes()
        Path(f"{copy}-wal").write_bytes(log[: len(log) // 2] + os.urandom(64) + log[len(log) // 2 + 64 :])
    with Sessions(copy) as sessions:
        questions = [turn.question for turn in sessions.list() and sessions.get(session.id).turns()]
        assert 0 < len(questions) < 20
        assert questions == [f"{i}?" for i in range(len(questions))]
        assert sessions._database.read("PRAGMA integrity_check")[0][0] == "ok"


# Places


def test_it_is_in_the_data_folder_and_for_its_owner_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = path.parent / "new" / "longread"
    monkeypatch.setenv("LONGREAD_DATA_DIR", str(folder))
    before = os.umask(0)
    try:
        with Sessions() as sessions:
            sessions.create(BOOK, "scripted").begin("Well?")
            assert sessions.path == folder / "sessions.db"
            assert {stat.S_IMODE(found.stat().st_mode) for found in folder.iterdir()} == {0o600}
            assert len(list(folder.iterdir())) == 3  # with its WAL
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    Sessions().close()
    path.chmod(0o644)
    Sessions().close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_setting_it_is_the_users_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LONGREAD_DATA_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_dir().is_relative_to(tmp_path)
    assert data_dir().name == "longread"


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SessionError, match=r"cannot be stored in .*/file/sessions\.db: .*Set LONGREAD_DATA_DIR"):
        Sessions(tmp_path / "file" / "sessions.db")


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that anyone can read and nobody write."""
    folder = Path(tempfile.mkdtemp(prefix="longread-tests-closed-"))
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_cannot_be_written(closed_folder: Path, there: bool) -> None:
    if there:
        Sessions(closed_folder / "sessions.db").close()
        (closed_folder / "sessions.db").chmod(0o444)
    closed_folder.chmod(0o555)
    script = (
        "import os, sys; from pathlib import Path; from longread.agent.sessions import Sessions, SessionError\n"
        "import longread.agent.sessions.database, encodings.idna\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"  # root can write everywhere
        "try: Sessions(Path(sys.argv[1]))\n"
        "except SessionError as error: print(error)"
    )
    command = [sys.executable, "-c", script, str(closed_folder / "sessions.db")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"Conversations cannot be stored in {closed_folder}/sessions.db: ")
    assert says(result.stdout.replace("Set", "set"), "LONGREAD_DATA_DIR", "folder", "write")
    assert result.stdout.count("\n") == 1
