"""`tolerations` and `affinity` of `spec.serving.pod`: on which nodes and beside which pods the predictor runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelloop_core.api.fields import (
    QUALIFIED_KEYS,
    APIObject,
    LabelMap,
    LabelValue,
    NamespaceName,
    QualifiedName,
    ReferenceName,
    rules,
)

_NEEDS_VALUES = (
    "!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",
    "operators In and NotIn need values",
)
_TAKES_NO_VALUES = (
    "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || size(self.values) == 0",
    "operators Exists and DoesNotExist take no values",
)

Weight = Annotated[int, Field(ge=1, le=100)]
LabelValues = Annotated[list[LabelValue], Field(max_length=32)]


class Toleration(APIObject):
    """A taint of nodes that the pods put up with."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
                "without key, operator must be Exists: it then means every taint",
            ),
            (
                "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
                "operator Exists takes no value: leave value out, or take operator Equal",
            ),
            (
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "tolerationSeconds needs effect NoExecute: only that effect ends pods that run",
            ),
        )
    )

    key: QualifiedName | None = Field(default=None, description="Key of the taint; absent means every taint.")
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="Exists: whatever its value. Equal, also when absent: only with this value."
    )
    value: LabelValue | None = Field(default=None, description="Value of the taint, with operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; absent means each."
    )
    tolerationSeconds: int | None = Field(
        default=None,
        ge=0,
        le=2**53 - 1,
        description="How long a pod stays on a node after a NoExecute taint came; absent means for ever.",
    )


class NodeRequirement(APIObject):
    """What a label of a node must be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _NEEDS_VALUES,
            _TAKES_NO_VALUES,
            (
                "!(self.operator in ['Gt', 'Lt']) || (has(self.values) && size(self.values) == 1 "
                "&& self.values[0].matches('^-?[0-9]+$'))",
                "operators Gt and Lt need exactly one value, a whole number",
            ),
        )
    )

    key: QualifiedName = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How the label is compared with values."
    )
    values: LabelValues | None = Field(
        default=None, description="Values for In and NotIn, one number for Gt and Lt, none for the others."
    )


class NodeField(APIObject):
    """Which node it must be, by name."""

    key: Literal["metadata.name"] = Field(description="Field of the node; Kubernetes knows metadata.name only.")
    operator: Literal["In", "NotIn"] = Field(description="Whether it must or must not have the name.")
    values: Annotated[list[ReferenceName], Field(min_length=1, max_length=1)] = Field(description="The one name.")


class NodeTerm(APIObject):
    """A kind of node: all of these must hold."""

    matchExpressions: Annotated[list[NodeRequirement], Field(max_length=16)] | None = Field(
        default=None, description="What labels the node must have."
    )
    matchFields: Annotated[list[NodeField], Field(max_length=4)] | None = Field(
        default=None, description="Which node it must be."
    )


class NodeTerms(APIObject):
    """Kinds of nodes of which one must fit."""

    nodeSelectorTerms: Annotated[list[NodeTerm], Field(min_length=1, max_length=8)] = Field(
        description="Kinds of nodes; one of them must fit."
    )


class PreferredNode(APIObject):
    """A kind of node that is liked better."""

    weight: Weight = Field(description="How much better, 1 to 100.")
    preference: NodeTerm = Field(description="The kind of node.")


class NodeAffinity(APIObject):
    """Which nodes the pods may or should run on."""

    requiredDuringSchedulingIgnoredDuringExecution: NodeTerms | None = Field(
        default=None, description="Nodes without which a pod waits."
    )
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[list[PreferredNode], Field(max_length=8)] | None = Field(
        default=None, description="Nodes that are liked better."
    )


class LabelRequirement(APIObject):
    """What a label must be."""

    model_config = ConfigDict(json_schema_extra=rules(_NEEDS_VALUES, _TAKES_NO_VALUES))

    key: QualifiedName = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label is compared with values."
    )
    values: LabelValues | None = Field(default=None, description="Values for In and NotIn, none for the others.")


class LabelSelector(APIObject):
    """Objects by their labels: all of these must hold; empty means every object."""

    matchLabels: LabelMap | None = Field(
        default=None, description="Labels they must have.", json_schema_extra=rules(QUALIFIED_KEYS)
    )
    matchExpressions: Annotated[list[LabelRequirement], Field(max_length=8)] | None = Field(
        default=None, description="What else their labels must be."
    )


class PodTerm(APIObject):
    """Pods, and how near they are meant."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.labelSelector) || ((!has(self.matchLabelKeys) || size(self.matchLabelKeys) == 0) "
                "&& (!has(self.mismatchLabelKeys) || size(self.mismatchLabelKeys) == 0))",
                "matchLabelKeys and mismatchLabelKeys need a labelSelector, which they narrow",
            )
        )
    )

    labelSelector: LabelSelector | None = Field(
        default=None, description="The pods, by their labels; absent means none, empty means all."
    )
    namespaceSelector: LabelSelector | None = Field(
        default=None, description="Namespaces of these pods, by labels; empty means all."
    )
    namespaces: Annotated[list[NamespaceName], Field(max_length=16)] | None = Field(
        default=None, description="Namespaces of these pods; with neither, the MLModel's own."
    )
    topologyKey: QualifiedName = Field(
        description="Label whose value nodes share that count as one place, for example topology.kubernetes.io/zone."
    )
    matchLabelKeys: Annotated[list[QualifiedName], Field(max_length=8)] | None = Field(
        default=None, description="Labels in which these pods must equal the new one, for example pod-template-hash."
    )
    mismatchLabelKeys: Annotated[list[QualifiedName], Field(max_length=8)] | None = Field(
        default=None, description="Labels in which these pods must differ from the new one."
    )


class PreferredPods(APIObject):
    """Pods whose nearness is liked better, or worse."""

    weight: Weight = Field(description="How much, 1 to 100.")
    podAffinityTerm: PodTerm = Field(description="The pods.")


class PodAffinity(APIObject):
    """Pods near which, or far from which, a new pod must or should run."""

    requiredDuringSchedulingIgnoredDuringExecution: Annotated[list[PodTerm], Field(max_length=8)] | None = Field(
        default=None, description="Pods without which (with podAntiAffinity: beside which) a pod waits."
    )
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[list[PreferredPods], Field(max_length=8)] | None = Field(
        default=None, description="Pods whose nearness is liked better (with podAntiAffinity: worse)."
    )


class Affinity(APIObject):
    """Where the pods must and should run."""

    nodeAffinity: NodeAffinity | None = Field(default=None, description="Nodes to run on.")
    podAffinity: PodAffinity | None = Field(default=None, description="Pods to run near.")
    podAntiAffinity: PodAffinity | None = Field(default=None, description="Pods to keep away from.")
