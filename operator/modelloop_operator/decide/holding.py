"""What waits for a rollout to be over: a change of the pods, which would be judged together with the version."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from modelloop_core.api import MLModel
from modelloop_core.api.spec import MLModelSpec, Serving

_NUMBER_OF_PODS = {"replicas", "autoscaling"}


def serving_of(spec: MLModelSpec) -> dict[str, Any]:
    """What a spec says of its pods but for their number, as status remembers it."""
    # Without defaults: a field that a later release adds must not look like a change.
    return spec.serving.model_dump(mode="json", exclude=_NUMBER_OF_PODS, exclude_defaults=True)


def with_held_pods(model: MLModel) -> MLModel:
    """The MLModel whose pods are as they were when the rollout began; their number follows the spec."""
    held = model.status.rollout.serving if model.status.rollout is not None else None
    if held is None or held == serving_of(model.spec):
        return model
    number = model.spec.serving.model_dump(include=_NUMBER_OF_PODS, exclude_defaults=True)
    try:
        serving = Serving.model_validate({**held, **number})
    except ValidationError:
        return model  # another release wrote it: the spec is what there is
    return model.model_copy(update={"spec": model.spec.model_copy(update={"serving": serving})})


def waits(model: MLModel) -> str:
    """What waits for the end of the rollout, for people; empty when nothing does."""
    held = model.status.rollout.serving if model.status.rollout is not None else None
    if held is None or held == serving_of(model.spec):
        return ""
    return "spec.serving has changed since it got traffic: pods change when the rollout is over"
