"""Cleaning up behind processes that ended without warning, and proof that nothing is left."""

import os
import shutil
import signal
from pathlib import Path

from . import network
from .node import cgroup_parents
from .processes import forget, known, running, started_at
from .profiles import CGROUP, ClusterError, Profile
from .shell import say, succeeds, wait_until

CONTAINER_LINKS = Path("/var/log/containers")


def orphans(profile: Profile) -> None:
    """End containers, shims and mounts that no server of this profile looks after any more."""
    if profile.runs_pods:
        _end(shims(profile), "shims")
        _end(container_processes(), "container processes")
        _remove_shim_sockets(profile)
        for mount in mounts(profile):
            succeeds(["umount", "--lazy", mount])
        _remove_cgroups()
    for name in known(profile):
        if running(profile, name) is None:
            forget(profile, name)


def everything(profile: Profile) -> None:
    """Remove all traces of the profile; its servers must have been stopped before."""
    orphans(profile)
    if profile.runs_pods:
        network.down()
        _remove_log_links(profile)
    for folder in (profile.run, profile.state):
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(folder)
        _remove_if_empty(folder.parent)


def leftovers(profile: Profile) -> list[str]:
    """All that should be gone after `down`, found by looking, not by remembering."""
    left = [
        f"process {pid}: {words}" for pid, words in _processes() if f"{profile.state}/" in words and pid != os.getpid()
    ]
    left += [f"folder {folder}" for folder in (profile.run, profile.state) if folder.exists()]
    if profile.runs_pods:
        left += [f"shim {pid}" for pid in shims(profile)] + [
            f"container process {pid}" for pid in container_processes()
        ]
        left += [f"mount {mount}" for mount in mounts(profile)] + network.leftovers()
        left += [f"cgroup {parent / CGROUP}" for parent in cgroup_parents() if (parent / CGROUP).exists()]
    return left


def shims(profile: Profile) -> list[int]:
    """Shims of our containerd, known by its address in their command line."""
    return [pid for pid, words in _processes() if "containerd-shim" in words and f"{profile.run}/containerd" in words]


def container_processes() -> list[int]:
    """Everything that runs in the cgroup under which the kubelet puts all pods."""
    found: set[int] = set()
    for parent in cgroup_parents():
        for listing in (parent / CGROUP).rglob("cgroup.procs"):
            try:
                found.update(int(pid) for pid in listing.read_text().split())
            except OSError:
                continue
    return sorted(found - {0})


def mounts(profile: Profile) -> list[str]:
    """Mount points below our folders, deepest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = {line.split()[4] for line in lines}
    ours = [point for point in points if point.startswith((f"{profile.run}/", f"{profile.state}/"))]
    return sorted(ours, key=len, reverse=True)


def _processes() -> list[tuple[int, str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and started_at(int(entry.name)):
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            found.append((int(entry.name), words))
    return found


def _end(pids: list[int], what: str) -> None:
    if not pids:
        return
    say(f"  ending {len(pids)} {what}")
    identities = {pid: started_at(pid) for pid in pids}
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    gone = lambda: all(start is None or started_at(pid) != start for pid, start in identities.items())  # noqa: E731
    wait_until(f"end of {what}", gone, 15)


def _remove_shim_sockets(profile: Profile) -> None:
    # Shims put their sockets under /run/containerd whatever the daemon's own folder is; only the bundle tells which.
    for address in (profile.run / "containerd").glob("*/*/*/address"):
        Path(address.read_text().strip().removeprefix("unix://")).unlink(missing_ok=True)
    for folder in (Path("/run/containerd/s"), Path("/run/containerd")):
        _remove_if_empty(folder)


def _remove_cgroups() -> None:
    for parent in cgroup_parents():
        top = parent / CGROUP
        if not top.exists():
            continue
        for folder in sorted((path for path in top.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts)):
            _remove_if_empty(folder)
        try:
            wait_until(f"removal of {top}", lambda top=top: _remove_if_empty(top), 5)  # type: ignore[misc]
        except ClusterError as error:
            say(f"  {error}")


def _remove_log_links(profile: Profile) -> None:
    if not CONTAINER_LINKS.exists():
        return
    for link in CONTAINER_LINKS.iterdir():
        if link.is_symlink() and str(link.readlink()).startswith(f"{profile.state}/"):
            link.unlink()
    _remove_if_empty(CONTAINER_LINKS)


def _remove_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
