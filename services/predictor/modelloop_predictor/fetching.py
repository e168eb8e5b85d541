"""Fetches versions of a bucket in a process that ends: botocore takes 25 MB, and 0.3 s that pass while the rest starts.

The process is this module: its argument is the request, and its one line of JSON the folder, or why there is none.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from modelloop_core.versions import Version
from modelloop_core.wire.environment import PredictorEnvironment
from modelloop_predictor.failures import Failure, judge_fetch


class FetchFailed(Exception):
    """The other process could not fetch; `failure` is its verdict."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True)
class _Request:
    uri: str
    endpoint: str | None
    region: str | None
    ca_file: str | None
    version: str
    folder: str


class Fetcher:
    """A VersionSource: buckets in another process, folders, which need no client, in this one."""

    def __init__(self, environment: PredictorEnvironment) -> None:
        self._environment = environment
        self._begun: tuple[_Request, subprocess.Popen[str]] | None = None

    def begin(self) -> None:
        """Start to fetch the environment's version from a bucket; the first `download` of it takes over."""
        environment = self._environment
        if environment.registry_uri.startswith("s3://"):
            request = self._request(Version.parse(environment.model_version), Path(environment.cache_dir))
            # What keeps a process from starting is told by `download`, which tries again.
            with contextlib.suppress(OSError):
                self._begun = request, _start(request)

    def download(self, version: Version, folder: Path) -> Path:
        """The folder with the version's verified files; raises FetchFailed, StoreError, RegistryError or OSError."""
        request = self._request(version, folder)
        if not request.uri.startswith("s3://"):
            return _fetch(request)
        begun, process = self._begun or (request, _start(request))
        if begun != request:
            process.kill()
            process = _start(request)
        self._begun = request, process
        # Not communicate(), which would close the child's standard input: its end is how the child knows of ours.
        with process:
            answer = process.stdout.read() if process.stdout else ""
        self._begun = None
        return _read(answer, process.returncode)

    def close(self) -> None:
        """End a fetch that nobody waits for any more."""
        if self._begun is not None:
            self._begun[1].kill()

    def _request(self, version: Version, folder: Path) -> _Request:
        environment = self._environment
        return _Request(
            uri=environment.registry_uri,
            endpoint=environment.registry_endpoint,
            region=environment.registry_region,
            ca_file=environment.registry_ca_file,
            version=str(version),
            folder=str(folder),
        )


def _start(request: _Request) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - this very interpreter
        [sys.executable, "-m", "modelloop_predictor.fetching", json.dumps(asdict(request))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Of its own session: Ctrl-C on a terminal is for the server, which ends the fetch itself.
        start_new_session=True,
    )


def _read(answer: str, code: int) -> Path:
    try:
        document = json.loads(answer)
        if "folder" in document:
            return Path(document["folder"])
        failure = Failure(**document["failure"])
    except (ValueError, TypeError, KeyError):
        message = f"the process that fetches the version ended with {code} and said {answer[:200]!r}"
        failure = Failure("FetchDied", message, permanent=False)
    raise FetchFailed(failure)


def _fetch(request: _Request) -> Path:
    from modelloop_core.registry import Registry
    from modelloop_core.storage.open import open_store

    store = open_store(request.uri, endpoint=request.endpoint, region=request.region, ca_file=request.ca_file)
    return Registry(store).download(Version.parse(request.version), Path(request.folder))


def _end_with_the_server() -> None:
    """Standard input ends when the server does, however that happens: nobody waits for the answer then."""
    # Not sys.stdin, whose lock a thread must not hold when the interpreter ends.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main() -> None:
    """Fetch what the argument asks for."""
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    request = _Request(**json.loads(sys.argv[1]))
    document: dict[str, object]
    try:
        document = {"folder": str(_fetch(request))}
    except Exception as error:  # noqa: BLE001 - whatever it is, the server must say it
        failure = judge_fetch(error)
        document = {"failure": asdict(failure)}
        if failure.reason == "Unexpected":
            traceback.print_exception(error)
    sys.stdout.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
