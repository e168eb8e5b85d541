"""Files of volumes: keys of Secrets and ConfigMaps, what a pod knows of itself, and tokens."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelloop_core.api.env import SUBSCRIPTED, ContainerResource
from modelloop_core.api.fields import QUALIFIED_NAME, APIObject, KeyOfMap, OneOf, ReferenceName, rules

DEFAULT_MODE = "Permissions of the files, 0 to 511 (0777 in octal); 0644 when absent."
_WHOLE = ("name", "namespace", "uid", "labels", "annotations")
_FILE_FIELD = rf"^metadata\.({'|'.join(_WHOLE)}|(labels|annotations)\['{QUALIFIED_NAME}'\])$"
_FILE_NAME = r"\.?[A-Za-z0-9_-][A-Za-z0-9._-]*"
_PATH = "Path of the file below mountPath: names of letters, digits, '.', '_' and '-', with '/' between."
_KEYS = "The keys wanted; absent means all, each by its name."
_OPTIONAL = "Whether the pod starts without it."

FilePath = Annotated[str, Field(max_length=256, pattern=rf"^{_FILE_NAME}(/{_FILE_NAME})*$")]
FileMode = Annotated[int, Field(ge=0, le=0o777)]


class KeyFile(APIObject):
    """A key of a Secret or ConfigMap, and the file that it becomes."""

    key: KeyOfMap = Field(description="Key whose value is the content.")
    path: FilePath = Field(description=_PATH)
    mode: FileMode | None = Field(default=None, description="Permissions of this file, as in defaultMode.")


KeyFiles = Annotated[list[KeyFile], Field(max_length=32)]


class ConfigMapFiles(APIObject):
    """A ConfigMap of this namespace, as files."""

    name: ReferenceName = Field(description="Name of the ConfigMap.")
    items: KeyFiles | None = Field(default=None, description=_KEYS)
    optional: bool | None = Field(default=None, description=_OPTIONAL)


class SecretFiles(APIObject):
    """A Secret of this namespace, as files."""

    name: ReferenceName = Field(description="Name of the Secret.")
    items: KeyFiles | None = Field(default=None, description=_KEYS)
    optional: bool | None = Field(default=None, description=_OPTIONAL)


class FileField(APIObject):
    """A field of the pod itself, as a file can hold it."""

    apiVersion: Literal["v1"] | None = Field(default=None, description="Version of the path; v1 when absent.")
    fieldPath: str = Field(
        max_length=384,
        pattern=_FILE_FIELD,
        description="Path of the field, for example metadata.labels.",
        json_schema_extra=rules(
            (
                f"self in {[f'metadata.{name}' for name in _WHOLE]} || {SUBSCRIPTED}",
                "a file can hold metadata.name, .namespace, .uid, .labels, .annotations, .labels['KEY'], "
                ".annotations['KEY']",
            )
        ),
    )


class PodFile(APIObject):
    """What the pod knows of itself, and the file that it becomes."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.fieldRef) != has(self.resourceFieldRef)", "give exactly one of fieldRef, resourceFieldRef"),
            (
                "!has(self.resourceFieldRef) || has(self.resourceFieldRef.containerName)",
                "in a file, resourceFieldRef needs containerName: predictor",
            ),
        )
    )

    path: FilePath = Field(description=_PATH)
    fieldRef: FileField | None = Field(default=None, description="A field of the pod.")
    resourceFieldRef: ContainerResource | None = Field(
        default=None, description="An amount of CPU or memory that the container has."
    )
    mode: FileMode | None = Field(default=None, description="Permissions of this file, as in defaultMode.")


class PodFiles(APIObject):
    """What the pod knows of itself, as files."""

    items: Annotated[list[PodFile], Field(max_length=32)] | None = Field(default=None, description="The files.")


class Token(APIObject):
    """A token of the pods' service account for somebody else than this cluster's API server."""

    audience: str | None = Field(default=None, max_length=512, description="Whom the token is for.")
    expirationSeconds: int | None = Field(
        default=None, ge=600, le=2**32, description="Seconds that it lasts, 600 at least; 3600 when absent."
    )
    path: FilePath = Field(description=_PATH)


class Projection(OneOf):
    """One part of a projected volume: exactly one of these."""

    secret: SecretFiles | None = Field(default=None, description="A Secret of this namespace.")
    configMap: ConfigMapFiles | None = Field(default=None, description="A ConfigMap of this namespace.")
    downwardAPI: PodFiles | None = Field(default=None, description="What the pod knows of itself.")
    serviceAccountToken: Token | None = Field(
        default=None, description="A token of the pods' service account, for example for a cloud's identity."
    )
