"""Homes of clusters in a folder of the test's own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from hack.cluster.profiles import NODE, Home, Profile


@dataclass(frozen=True)
class FolderHome(Home):
    """Its files are all below `folder`."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def run(self) -> Path:
        return self.folder / "run"


@dataclass(frozen=True)
class FolderProfile(Profile):
    """A profile of our own cluster, whose files are all below `folder`."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"


def node_profile(folder: Path) -> Profile:
    """The node profile with another home."""
    return FolderProfile(**asdict(NODE), folder=folder)
