"""`spec.serving.resources` of an MLModel, with what Kubernetes would refuse of it only when a pod is made."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from modelloop_core.api.fields import DOMAIN, NAME, APIObject, Quantity, bounded_quantity, rules

GPU = "nvidia.com/gpu"
_DIVISIBLE = "['cpu', 'memory', 'ephemeral-storage']"
_BOTH = " && ".join(f"k in self.{part} && {bounded_quantity(f'self.{part}[k]')}" for part in ("requests", "limits"))
_REQUEST, _LIMIT = (f"quantity(string(self.{part}[k]))" for part in ("requests", "limits"))

_AMOUNTS = rules(
    (
        f"self.all(k, k in {_DIVISIBLE} || k.matches(r'^(hugepages-[1-9][0-9]*[KMG]i|{DOMAIN}/{NAME})$') "
        "&& !k.startsWith('requests.'))",
        f"a resource is cpu, memory, ephemeral-storage, hugepages-SIZE, or has a domain before its name like {GPU}",
    ),
    (
        f"self.all(k, !k.contains('/') || !{bounded_quantity('self[k]')} || quantity(string(self[k])).isInteger())",
        f"a resource with a domain before its name, like {GPU}, is counted in whole numbers",
    ),
)


class Resources(APIObject):
    """Requests and limits of the predictor's container."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"{_DIVISIBLE}.all(k, !({_BOTH}) || {_REQUEST}.compareTo({_LIMIT}) <= 0)",
                "a request must not be greater than the limit of the same resource",
            ),
            (
                f"self.requests.all(k, k in {_DIVISIBLE} "
                "|| (k in self.limits && string(self.requests[k]) == string(self.limits[k])))",
                "only cpu, memory and ephemeral-storage may be requested without a limit of the same amount",
            ),
            (
                "!self.limits.exists(k, k.startsWith('hugepages-')) "
                "|| ['cpu', 'memory'].exists(k, k in self.requests || k in self.limits)",
                "hugepages need cpu or memory beside them",
            ),
        )
    )

    requests: Annotated[dict[str, Quantity], Field(max_length=8)] = Field(
        default={}, description="Guaranteed amounts, by resource name.", json_schema_extra=_AMOUNTS
    )
    limits: Annotated[dict[str, Quantity], Field(max_length=8)] = Field(
        default={},
        description="Upper amounts, by resource name. CPU is best left unlimited.",
        json_schema_extra=_AMOUNTS,
    )


USUAL = Resources(requests={"cpu": "250m", "memory": "512Mi"}, limits={"memory": "1Gi"})
"""What a pod gets when nothing is said; a part alone is never filled up, for the other could contradict it."""
