"""What contract tests share: a local S3 server and both stores behind one fixture."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.port import ObjectStore
from modelloop_core.storage.s3 import S3Store
from support.memory_store import MemoryStore
from support.postgres_process import PostgresProcess
from support.s3_server import ACCESS_KEY, SECRET_KEY, S3Server, run_s3_server


@dataclass(frozen=True)
class Place:
    """A store under test, and the folder in which its objects lie as files."""

    store: ObjectStore
    folder: Path
    uri: str
    environment: dict[str, str]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def directory_place(tmp_path: Path) -> Place:
    folder = tmp_path / "registry"
    folder.mkdir()
    return Place(DirectoryStore(folder), folder, str(folder), {})


@pytest.fixture
def s3_place(s3_server: S3Server) -> Place:
    bucket = f"b{uuid.uuid4().hex[:12]}"
    folder = s3_server.bucket(bucket) / "models" / "churn"
    store = S3Store(bucket, "models/churn", endpoint=s3_server.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    environment = {
        "AWS_ENDPOINT_URL_S3": s3_server.endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }
    return Place(store, folder, f"s3://{bucket}/models/churn", environment)


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each test runs on both stores."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture(params=["memory", "directory", "s3"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """Both stores, and the fake that unit tests use instead of them."""
    if request.param == "memory":
        return MemoryStore()
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found.store


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresProcess]:
    with PostgresProcess() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database: each test runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'monitor.db'}"
    server: PostgresProcess = request.getfixturevalue("postgres")
    return server.database()
