"""What a registry can answer besides what its store can (StoreError passes through).

RegistryError
├── VersionNotFound       no manifest: the version does not exist (or is still being written)
├── VersionTaken          the number cannot be written
│   ├── VersionExists     it is published
│   └── VersionBusy       somebody is writing it at this moment
├── CorruptManifest       the manifest is no manifest, or speaks of another version
├── CorruptHistory        an event is no event
├── ChecksumMismatch      a file's bytes are not those that were published
└── InvalidVersionFiles   what is to be published does not fit together
"""

from __future__ import annotations


class RegistryError(Exception):
    """A registry does not hold, or will not take, what was asked; `retriable` says whether trying again can help."""

    retriable = False


class VersionNotFound(RegistryError):
    """There is no such version."""


class VersionTaken(RegistryError):
    """The number belongs to another writer; nothing of that writer was changed."""


class VersionExists(VersionTaken):
    """The version is published, and published versions never change."""


class VersionBusy(VersionTaken):
    """Another writer holds the number; when that writer is gone, the number becomes free by itself."""

    retriable = True


class CorruptManifest(RegistryError):
    """`manifest.json` cannot be understood or names another version."""


class CorruptHistory(RegistryError):
    """An object under `history/` cannot be understood."""


class InvalidVersionFiles(RegistryError):
    """The files to publish are not those that the manifest describes."""


class ChecksumMismatch(RegistryError):
    """A file of a version is damaged: `file`, and what was `expected` and `found`."""

    def __init__(self, where: str, *, file: str, expected: str, found: str) -> None:
        super().__init__(
            f"{file!r} of {where} is damaged: the manifest says {expected}, found {found}; publish the model again"
        )
        self.file = file
        self.expected = expected
        self.found = found
