"""The database of the conversations: one SQLite file in WAL mode, its schema, and its error messages.

What is committed survives a kill of the process at any moment. A power failure can lose the last moments: with
`synchronous = NORMAL`, SQLite waits for the disk only when it moves the WAL into the file, which makes it cheap to
store a token. It never damages the file.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from longread.errors import SessionError

VERSION = 2
"""Version of the schema. `schema/N.sql` migrates a database from version N - 1 to N."""
_APPLICATION = 0x4C527364
_BUSY_SECONDS = 10.0
_OLDEST_SQLITE = (3, 34, 0)  # the trigram tokenizer
_creating = threading.Lock()


def data_dir() -> Path:
    """The folder for data that cannot be recomputed: `$LONGREAD_DATA_DIR`, else the platform's user data folder."""
    override = os.environ.get("LONGREAD_DATA_DIR")
    try:
        return Path(override).expanduser() if override else user_data_path("longread", appauthor=False)
    except RuntimeError as error:  # a user in a container, without a home
        raise SessionError(f"There is no place for conversations ({error}): set LONGREAD_DATA_DIR.") from error


class Database:
    """A connection to the database. Its threads alternate; processes wait for each other, up to ten seconds.

    Args:
        path: the file. It is created if necessary, readable only by its owner.

    Raises:
        SessionError: it cannot be opened or created, is damaged, belongs to another program or to a newer longread.
    """

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.RLock()
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise SessionError(
                f"Conversations cannot be stored: this Python has SQLite {sqlite3.sqlite_version}, and they need "
                f"{'.'.join(map(str, _OLDEST_SQLITE))} or newer for their search."
            )
        with self._errors():
            self._connection = _connect(path)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def read(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """The rows of a query."""
        with self._lock, self._errors():
            return self._connection.execute(sql, values).fetchall()

    def append(self, sql: str, values: Sequence[Any]) -> None:
        """Run one statement as its own transaction: the cheapest way to write."""
        with self._lock, self._errors():
            self._connection.execute(sql, values)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """All queries see the same state, whatever is written meanwhile."""
        with self._lock, contextlib.nullcontext() if self._connection.in_transaction else self._transaction("BEGIN"):
            yield

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: applied completely or, after an error, not at all. Keep it short, because other processes
        wait."""
        # Immediately, not at the first write: a reader that becomes a writer cannot wait for another writer.
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._errors():
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # some errors roll it back
                    with contextlib.suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise

    def wipe(self) -> None:
        """Overwrite deleted text: in the search index, in free space of pages, and in the WAL.

        Raises:
            SessionError: it could not be overwritten now; the message says where it still is.
        """
        try:
            with self.write() as connection:
                connection.execute("INSERT INTO search (search) VALUES ('optimize')")
            with self._lock, self._errors():
                self._connection.execute("PRAGMA temp_store = MEMORY")  # no copy of the database in a temporary file
                self._connection.execute("VACUUM")
                (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except SessionError as error:
            raise SessionError(f"It is deleted, but its text can still be found in {self.path}: {error}") from error
        if busy:
            raise SessionError(
                f"It is deleted, but its text can still be found in {self.path}-wal until the other processes that "
                "use the conversations end."
            )

    def close(self) -> None:
        """Close the connection."""
        with self._lock, self._errors():
            self._connection.close()

    def _prepare(self) -> None:
        connection = self._connection
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        self._check()  # before anything is changed
        _use_wal(connection, self.path)
        connection.create_function("has", 2, _has, deterministic=True)
        if self._version() < VERSION:
            self._migrate()

    def _version(self) -> int:
        return self._connection.execute("PRAGMA user_version").fetchone()[0]

    def _check(self) -> None:
        version = self._version()
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (version or tables) and application != _APPLICATION:
            raise SessionError(
                f"{self.path} is a database of another program: set LONGREAD_DATA_DIR to another folder."
            )
        if version > VERSION:
            raise SessionError(
                f"{self.path} is of a newer longread: its schema has version {version}, and this longread knows "
                f"{VERSION} and older. Upgrade longread, or set LONGREAD_DATA_DIR to another folder."
            )

    def _migrate(self) -> None:
        """Migrate the schema, in one transaction. Of two processes, the second finds it done."""
        with self.write() as connection:
            self._check()
            for version in range(self._version() + 1, VERSION + 1):
                for statement in statements(migration(version)):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version}")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SessionError(_in_words(error, self.path)) from error
        except OSError as error:
            raise SessionError(
                f"Conversations cannot be stored in {self.path}: {error.strerror or error}. "
                "Set LONGREAD_DATA_DIR to a folder that you can write."
            ) from error


def migration(version: int) -> str:
    """The SQL that migrates a database to this version from the previous one."""
    folder = Path(__file__).with_name("schema")
    return (folder / f"{version}.sql").read_text(encoding="utf-8")


def statements(script: str) -> Iterator[str]:
    """The statements of a script. `executescript` would commit the transaction that they must be part of."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), f"a statement without its end: {statement}"


def _connect(path: Path) -> sqlite3.Connection:
    # One at a time: closing a file that SQLite has open in this process would drop SQLite's locks on it.
    with _creating:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            found = path.stat()
            if found.st_mode & 0o077 and found.st_uid == os.geteuid():
                path.chmod(0o600)
        return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _use_wal(connection: sqlite3.Connection, path: Path) -> None:
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            # Two processes that create the file at once: SQLite does not wait here.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise SessionError(
            f"Conversations cannot be stored in {path}: its file system lacks shared memory, which SQLite's WAL needs. "
            "Set LONGREAD_DATA_DIR to a folder on a local disk."
        )


def _has(text: str, part: str) -> bool:
    return part.casefold() in text.casefold()


def _in_words(error: sqlite3.Error, path: Path) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # errors of the sqlite3 module have no code
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return (
            f"{path} is damaged ({error}), so conversations can be neither stored nor read. "
            "Move it away and a new one is made; sqlite3's .recover may save what is in it."
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"{path} has been locked by another process for {_BUSY_SECONDS:.0f} s. "
            "Try again, or end the process that holds it."
        )
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return f"{path} could not be read or written ({error}). Is its disk full? df -h {path.parent} says."
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return (
            f"Conversations cannot be stored in {path}: {error}. "
            "Make it and its folder writable, or set LONGREAD_DATA_DIR to a folder that you can write."
        )
    if code == sqlite3.SQLITE_CONSTRAINT:
        return f"This conversation was deleted from {path} while it went on, so it is not stored any more."
    return f"{path}: {error}."
