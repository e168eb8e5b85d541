"""The version that a run scores with: its files on this disk, verified, and the model ready to answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from modelloop_core.drift.reference import REFERENCE_NAME, Reference, digest_of
from modelloop_core.inference import Scorer, load_model
from modelloop_core.manifest import Manifest
from modelloop_core.preprocessing import PREPROCESSING_NAME, Preprocessing
from modelloop_core.registry import Registry
from modelloop_core.versions import Version


@dataclass(frozen=True)
class LoadedVersion:
    """A version that can answer; without a reference nothing is counted."""

    manifest: Manifest
    scorer: Scorer
    reference: Reference | None
    reference_bytes: bytes

    @property
    def model_digest(self) -> str:
        """The model file's SHA-256."""
        return self.manifest.files[self.manifest.model_file].sha256

    @property
    def reference_digest(self) -> str | None:
        """The digest by which profiles name the reference."""
        return digest_of(self.reference_bytes) if self.reference is not None else None


def load_version(registry: Registry, version: Version, cache: Path, *, device: str) -> LoadedVersion:
    """Bring a version here and load it; raises RegistryError, StoreError, LoadError, PreprocessingError."""
    folder = registry.download(version, cache)
    manifest = registry.manifest(version)
    steps = folder / PREPROCESSING_NAME
    declared = steps.read_bytes() if PREPROCESSING_NAME in manifest.files else b"{}"
    # One thread for each call: the threads of a run share the work batch by batch, which costs less than within one.
    model = load_model(folder / manifest.model_file, manifest.format, heads=manifest.heads, device=device, threads=1)
    scorer = Scorer(manifest.signature, Preprocessing.model_validate_json(declared), model)
    document = (folder / REFERENCE_NAME).read_bytes() if REFERENCE_NAME in manifest.files else b""
    reference = Reference.model_validate_json(document) if document else None
    return LoadedVersion(manifest, scorer, reference, document)
