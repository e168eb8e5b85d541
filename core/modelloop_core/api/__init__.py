"""The MLModel resource: one type each for what a person writes (spec) and what the operator answers (status)."""

from modelloop_core.api.requests import REQUEST_ANNOTATION
from modelloop_core.api.resource import GROUP, KIND, PLURAL, VERSION, MLModel
from modelloop_core.api.spec import MLModelSpec
from modelloop_core.api.status import MLModelStatus

__all__ = ["GROUP", "KIND", "PLURAL", "REQUEST_ANNOTATION", "VERSION", "MLModel", "MLModelSpec", "MLModelStatus"]
