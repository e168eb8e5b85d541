"""Opens the database, brings its tables up to date under a lock, and gives out transactions with our errors."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url, text

from modelloop_monitor.store.errors import StoreError, StoreGone, translated

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 7_310_001
_READS = "modelloop_reads"


class StoreTaken(StoreError):
    """Another process works on this SQLite file: it is made for one; several need PostgreSQL."""


class Store:
    """The database. Methods may be called from any thread; each transaction belongs to one."""

    def __init__(self, url: str, *, max_bytes: int | None = None, busy_seconds: float = 5.0) -> None:
        self._busy_seconds = busy_seconds
        self._url = make_url(url)
        self._max_bytes = max_bytes
        self._file = _sqlite_file(url)
        self._identity: tuple[int, int] | None = None
        self._lock_file: int | None = None
        self._locks: dict[str, threading.Lock] = {}
        self._engine = self._made()

    @property
    def is_postgresql(self) -> bool:
        """Whether several processes may share it."""
        return self._file is None

    def open(self) -> None:
        """Take the file (SQLite) and bring the tables up to date; raises StoreError."""
        if self._file is not None:
            self._take(self._file)
        with self.writing() as connection:
            if self.is_postgresql:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            _migrate(connection)
        if self._file is not None:
            self._identity = _identity(self._file)

    def close(self) -> None:
        """Give it back."""
        self._engine.dispose()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads; raises StoreError."""
        with self._transaction(self._engine.execution_options(**{_READS: True})) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block, or not at all; raises StoreError."""
        with self._transaction(self._engine) as connection:
            yield connection

    @contextmanager
    def alone(self, work: str) -> Iterator[bool]:
        """Whether this is the one thread of all processes that does `work` now; others skip it."""
        lock = self._locks.setdefault(work, threading.Lock())
        if not lock.acquire(blocking=False):
            yield False
            return
        try:
            with self._elected(work) as elected:
                yield elected
        finally:
            lock.release()

    def check(self) -> None:
        """Raise StoreError unless the database answers and is the one that was opened."""
        with self.reading() as connection:
            connection.execute(text("SELECT 1"))

    @contextmanager
    def _elected(self, work: str) -> Iterator[bool]:
        if not self.is_postgresql:
            yield True
            return
        # Held by a transaction of its own that does nothing else, so that it ends with the process.
        with self.reading() as connection:
            query = text("SELECT pg_try_advisory_xact_lock(hashtext(:work))")
            yield bool(connection.execute(query, {"work": f"modelloop-{work}"}).scalar())

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        self.check_file()
        try:
            with engine.begin() as connection:
                yield connection
        except exc.SQLAlchemyError as error:
            raise translated(error) from error

    def check_file(self) -> None:
        """Raise StoreGone when the file is not the one any more that was opened."""
        # An unlinked file takes writes as before, and all of them are lost with the process.
        if self._file is not None and self._identity is not None and _identity(self._file) != self._identity:
            raise StoreGone(f"{self._file} is not the file any more that was opened; a restart makes it anew")

    def _take(self, file: Path) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreTaken(f"{file} is in use by another monitor; several at a time need PostgreSQL") from error
        except OSError as error:
            raise StoreGone(f"{file} cannot be opened: {error.strerror}") from error

    def _made(self) -> Engine:
        if self._file is None:
            url = self._url.set(drivername="postgresql+psycopg")
            arguments = {
                "connect_timeout": 5,
                "options": f"-c lock_timeout={1000 * self._busy_seconds:.0f} -c statement_timeout=60s",
            }
            return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=30, connect_args=arguments)
        engine = create_engine(self._url, connect_args={"timeout": self._busy_seconds}, pool_size=10, max_overflow=30)
        event.listen(engine, "connect", self._set_up)
        event.listen(engine, "begin", _begin)
        return engine

    def _set_up(self, connection: Any, _record: object) -> None:
        # We begin transactions ourselves: the driver would begin them late, and never for reads.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        # An answered post must outlive a power cut, not only the process.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -16384")
        if self._max_bytes is not None:
            size = connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {self._max_bytes // size}")


def _begin(connection: Connection) -> None:
    # A writer that begins as a reader cannot wait for the lock when it needs it.
    reads = connection.get_execution_options().get(_READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(f"the database is of another release of ModelLoop: {error}") from error


def _sqlite_file(url: str) -> Path | None:
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
