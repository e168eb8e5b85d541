"""Brings spooled requests to the registry as Parquet; `python -m` runs it in a process that ends, as a fetch is.

pyarrow and a store's client take 100 MB, which a server should not have. Objects are created if absent under names that
follow from the spool's: what was interrupted is done again, and no row is ever written twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from modelloop_core.captures import Captured, Kind
from modelloop_core.storage.open import open_store
from modelloop_core.storage.port import AlreadyExists, ObjectStore
from modelloop_predictor.telemetry.captured_tables import About, by_hour, read_lines, to_parquet
from modelloop_predictor.telemetry.spool import ABOUT, CLOSED, LOCK, OPEN

Open = Callable[[About], ObjectStore]


def upload_all(root: Path, own: str, open_store: Open) -> int:
    """Bring away what is closed in the folder `own` of `root`, and all of folders whose process has ended.

    Those of other registries are left: the volume may be one that models share, and this one's credentials its own.
    Says how many objects were written; raises StoreError or OSError, and may then be asked again.
    """
    written = upload_folder(root / own, open_store)
    registry = _about(root / own).registry_uri
    for folder in sorted(root.iterdir()):
        if folder.name != own and (folder / ABOUT).exists() and _about(folder).registry_uri == registry:
            with _abandoned(folder) as is_abandoned:
                if is_abandoned:
                    written += _adopt(folder, open_store)
    return written


def upload_folder(folder: Path, open_store: Open) -> int:
    """Bring away the closed files of one spool."""
    about = _about(folder)
    store, written = open_store(about), 0
    for path in sorted(folder.glob(f"*{CLOSED}")):
        for hour, lines in by_hour(read_lines(path.read_bytes())).items():
            for kind in Kind:
                body = to_parquet(kind, about, lines)
                place = Captured(kind, hour, f"{about.name}-{path.stem}")
                if body is not None and _create(store, place, body):
                    written += 1
        # Last: whatever ends before is done again, and finds what it has done.
        path.unlink()
    return written


def _create(store: ObjectStore, place: Captured, body: bytes) -> bool:
    # By the beginning of its key: what an erasure left of it has a longer one, and must not come back.
    if next(iter(store.list(place.stem)), None) is not None:
        return False
    try:
        store.create(place.key, body)
    except AlreadyExists:
        return False
    return True


def _adopt(folder: Path, open_store: Open) -> int:
    for path in folder.glob(f"*{OPEN}"):
        path.rename(path.with_suffix(CLOSED))
    written = upload_folder(folder, open_store)
    shutil.rmtree(folder)
    return written


def _about(folder: Path) -> About:
    return About.model_validate_json((folder / ABOUT).read_bytes())


@contextlib.contextmanager
def _abandoned(folder: Path) -> Iterator[bool]:
    """Whether no process holds the spool any more; within, this one does."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        # Just being made, or just removed by another.
        yield False
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        # Whoever had the lock before may have removed the folder meanwhile.
        yield (folder / LOCK).exists()
    finally:
        os.close(lock)


def _store(about: About) -> ObjectStore:
    return open_store(
        about.registry_uri,
        endpoint=about.registry_endpoint,
        region=about.registry_region,
        ca_file=about.registry_ca_file,
    )


def _end_with_the_server() -> None:
    """Standard input ends when the server does, however that happens; the next start goes on from there."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main() -> None:
    """Bring away what the arguments name: the root of the spools, and the server's own."""
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    os.nice(10)
    try:
        document: dict[str, object] = {"written": upload_all(Path(sys.argv[1]), sys.argv[2], _store)}
    except Exception as error:  # noqa: BLE001 whatever it is, the server must say it
        document = {"failure": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
