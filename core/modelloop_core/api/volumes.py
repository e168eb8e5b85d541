"""`spec.serving.pod.volumes` of an MLModel: a source of each kind that Pod Security `restricted` lets a pod mount."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from modelloop_core.api.fields import (
    QUALIFIED_KEYS,
    AnnotationMap,
    APIObject,
    LabelMap,
    OneOf,
    Quantity,
    ReferenceName,
    bounded_quantity,
    rules,
)
from modelloop_core.api.files import DEFAULT_MODE, ConfigMapFiles, FileMode, KeyFiles, PodFiles, Projection

_FILE_NAME = r"\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*"
# What the image runs from, what the operator mounts, and the folders above them.
_TAKEN = (
    "tmp|dev|(bin|sbin|lib|lib64|proc|sys)(/.*)?|usr(/(bin|sbin|lib|local)(/.*)?)?"
    "|opt(/modelloop(/.*)?|/project(/.*)?)?"
    "|etc(/modelloop(/.*)?)?|var(/cache(/modelloop(/.*)?)?)?"
)


def _refused(message: str) -> dict[str, Any]:
    """A source that people ask for: the schema knows it, so that its refusal can say why and what to take instead."""
    return rules(("false", message), **{"type": "object", "x-kubernetes-preserve-unknown-fields": True})


class ConfigMapVolume(ConfigMapFiles):
    """A volume with the files of a ConfigMap."""

    defaultMode: FileMode | None = Field(default=None, description=DEFAULT_MODE)


class SecretVolume(APIObject):
    """A volume with the files of a Secret."""

    secretName: ReferenceName = Field(description="Name of the Secret.")
    items: KeyFiles | None = Field(default=None, description="The keys wanted; absent means all, each by its name.")
    optional: bool | None = Field(default=None, description="Whether the pod starts without it.")
    defaultMode: FileMode | None = Field(default=None, description=DEFAULT_MODE)


class PodVolume(PodFiles):
    """A volume with what the pod knows of itself."""

    defaultMode: FileMode | None = Field(default=None, description=DEFAULT_MODE)


class ProjectedVolume(APIObject):
    """Several sources in one folder."""

    sources: Annotated[list[Projection], Field(min_length=1, max_length=16)] = Field(description="The sources.")
    defaultMode: FileMode | None = Field(default=None, description=DEFAULT_MODE)


class ClaimVolume(APIObject):
    """A volume that exists by a claim."""

    claimName: ReferenceName = Field(description="Name of a PersistentVolumeClaim of this namespace.")
    readOnly: bool | None = Field(default=None, description="Whether it is attached read-only.")


class ScratchVolume(APIObject):
    """An empty folder that ends with the pod."""

    medium: Literal["Memory"] | None = Field(
        default=None, description="Memory keeps it in memory, which the memory limit counts; absent means the disk."
    )
    sizeLimit: Quantity | None = Field(default=None, description="Most that it may hold; the pod is evicted above it.")


class SecretReference(APIObject):
    """A Secret of this namespace."""

    name: ReferenceName = Field(description="Name of the Secret.")


class CSIVolume(APIObject):
    """A volume that a driver makes for each pod."""

    driver: str = Field(
        max_length=63,
        pattern=r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$",
        description="Name of the driver, for example secrets-store.csi.k8s.io.",
    )
    readOnly: bool | None = Field(default=None, description="Whether the driver provides it read-only.")
    fsType: str | None = Field(default=None, max_length=32, description="File system, for example ext4.")
    volumeAttributes: Annotated[dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=32)] | None = Field(
        default=None, description="Settings of the driver."
    )
    nodePublishSecretRef: SecretReference | None = Field(
        default=None, description="A Secret that the driver needs to provide the volume."
    )


class ClaimMetadata(APIObject):
    """Labels and annotations of a claim."""

    labels: LabelMap | None = Field(default=None, description="Its labels.", json_schema_extra=rules(QUALIFIED_KEYS))
    annotations: AnnotationMap | None = Field(
        default=None, description="Its annotations.", json_schema_extra=rules(QUALIFIED_KEYS)
    )


class StorageRequest(APIObject):
    """How much storage is claimed."""

    storage: Quantity = Field(description="Size, for example 10Gi.")


class ClaimResources(APIObject):
    """What a claim asks for."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"!{bounded_quantity('self.requests.storage')} "
                "|| quantity(string(self.requests.storage)).isGreaterThan(quantity('0'))",
                "requests.storage must be greater than zero",
            )
        )
    )

    requests: StorageRequest = Field(description="How much storage.")


class ClaimSpec(APIObject):
    """The volume that is claimed for each pod."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!self.accessModes.exists(mode, mode == 'ReadWriteOncePod') || size(self.accessModes) == 1",
                "ReadWriteOncePod goes with no other access mode",
            )
        )
    )

    accessModes: Annotated[
        list[Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadOnlyMany", "ReadWriteMany"]],
        Field(min_length=1, max_length=4),
    ] = Field(description="How the volume may be mounted.")
    storageClassName: ReferenceName | None = Field(
        default=None, description="Storage class; absent means the cluster's default."
    )
    resources: ClaimResources = Field(description="How much storage.")


class ClaimTemplate(APIObject):
    """A claim that is made for each pod and ends with it."""

    metadata: ClaimMetadata | None = Field(default=None, description="Labels and annotations of the claim.")
    spec: ClaimSpec = Field(description="What is claimed.")


class EphemeralVolume(APIObject):
    """A volume of a storage class that is made for each pod and ends with it."""

    volumeClaimTemplate: ClaimTemplate = Field(description="The claim that is made for each pod.")


class VolumeSource(OneOf):
    """Where a volume's content comes from: exactly one of the kinds that Pod Security `restricted` allows."""

    configMap: ConfigMapVolume | None = Field(default=None, description="A ConfigMap of this namespace, as files.")
    secret: SecretVolume | None = Field(default=None, description="A Secret of this namespace, as files.")
    persistentVolumeClaim: ClaimVolume | None = Field(
        default=None, description="A volume by its claim; it must suit as many pods as the model has."
    )
    emptyDir: ScratchVolume | None = Field(default=None, description="An empty folder that ends with the pod.")
    ephemeral: EphemeralVolume | None = Field(
        default=None, description="A volume of a storage class that is made for each pod and ends with it."
    )
    csi: CSIVolume | None = Field(default=None, description="A volume that a driver makes for each pod.")
    projected: ProjectedVolume | None = Field(default=None, description="Several sources in one folder.")
    downwardAPI: PodVolume | None = Field(default=None, description="What the pod knows of itself, as files.")
    hostPath: None = Field(
        default=None,
        description="Refused: Pod Security restricted forbids it.",
        json_schema_extra=_refused(
            "Pod Security restricted refuses pods with a hostPath: take a persistentVolumeClaim (a local "
            "PersistentVolume, if it is this node's disk)"
        ),
    )
    nfs: None = Field(
        default=None,
        description="Refused: Pod Security restricted forbids it.",
        json_schema_extra=_refused(
            "Pod Security restricted refuses pods with nfs: take a persistentVolumeClaim on a PersistentVolume of NFS"
        ),
    )


class Volume(APIObject):
    """A volume and where the predictor sees it."""

    name: str = Field(max_length=50, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description="Name, unique in the pod.")
    mountPath: str = Field(
        max_length=256,
        pattern=rf"^(/{_FILE_NAME})+$",
        description="Absolute path in the container, for example /data; not one that the image or the operator uses.",
        json_schema_extra=rules(
            (
                f"!self.matches('^/({_TAKEN})$')",
                "mountPath is one that the predictor needs (/tmp, /var/cache/modelloop, /etc, /usr …): take another, "
                "for example /data",
            )
        ),
    )
    readOnly: bool = Field(default=True, description="Whether the predictor may only read it.")
    source: VolumeSource = Field(description="Where its content comes from: exactly one of these.")
