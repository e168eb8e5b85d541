"""`manifest.json`: written last, it makes a version exist and says what every byte of it must be."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from modelloop_core.feature_schema import Signature
from modelloop_core.versions import Version

MANIFEST_NAME = "manifest.json"
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class ModelFormat(StrEnum):
    """How the model file is stored; the value is the file's name in the version's folder."""

    TORCH_EXPORT = "model.pt2"
    TORCHSCRIPT = "model.ts.pt"
    ONNX = "model.onnx"


class _Value(BaseModel):
    # A NaN would be written as null, which no reader takes for a number.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FileEntry(_Value):
    """One file of a version: `sha256` in lower-case hex, `size` in bytes."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)

    def __str__(self) -> str:
        return f"{self.size} bytes with sha256 {self.sha256}"


class Lineage(_Value):
    """Where a version came from; all optional, for a model brought by hand."""

    parent: str | None = None
    causes: tuple[str, ...] = ()
    rows: int | None = Field(default=None, ge=0)
    data_from: datetime | None = None
    data_until: datetime | None = None
    seed: int | None = None
    code_image: str | None = None


class Manifest(_Value):
    """Everything a reader must know before it opens the model file; immutable once written.

    `heads` names those of the program's outputs that make the answer, where it gives more than one.
    """

    schema_version: int = Field(default=1, ge=1, le=1)
    version: str
    format: ModelFormat
    signature: Signature
    heads: tuple[str, ...] = Field(default=(), max_length=100, exclude_if=lambda heads: not heads)
    files: dict[FileName, FileEntry] = Field(min_length=1, max_length=100)
    example: tuple[float | str | None, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    lineage: Lineage = Lineage()
    created: AwareDatetime

    @field_validator("version")
    @classmethod
    def _semantic(cls, text: str) -> str:
        return str(Version.parse(text))

    @property
    def model_file(self) -> str:
        """Name of the model file inside the version's folder."""
        return self.format.value
