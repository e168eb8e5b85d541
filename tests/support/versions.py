"""A small version to publish in tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from modelloop_core.feature_schema import BinaryOutput, NumericFeature, Signature
from modelloop_core.manifest import Manifest, ModelFormat
from modelloop_core.registry import Files, describe

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIGNATURE = Signature(inputs=(NumericFeature(name="age"),), output=BinaryOutput())


class Clock:
    """A clock that moves only when somebody waits."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def a_version(number: str = "1.0.0", weights: bytes = b"weights") -> tuple[Manifest, Files]:
    """A manifest and its files; the content depends on `weights`."""
    files: Files = {"model.onnx": weights, "preprocessing.json": b"{}" + weights}
    manifest = Manifest(
        version=number, format=ModelFormat.ONNX, signature=SIGNATURE, files=describe(files), created=NOON
    )
    return manifest, files
