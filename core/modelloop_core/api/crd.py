"""The CustomResourceDefinition, generated from the pydantic types (`make crds` writes it)."""

from __future__ import annotations

from typing import Any

from modelloop_core.api.resource import GROUP, KIND, NAME_LENGTH, PLURAL, VERSION
from modelloop_core.api.spec import MLModelSpec
from modelloop_core.api.status import MLModelStatus

_DROPPED = {"title", "discriminator", "$defs", "additionalProperties"}
_COLUMNS = [
    ("Ready", "string", ".status.conditions[?(@.type=='Ready')].status", 0),
    ("Stable", "string", ".status.stable.version", 0),
    ("Candidate", "string", ".status.candidate.version", 0),
    ("Weight", "integer", ".status.candidate.effectiveWeight", 0),
    ("Drift", "string", ".status.drift.level", 0),
    ("Phase", "string", ".status.phase", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Waits", "string", ".status.rollout.waitsFor", 1),
    ("Verdict", "string", ".status.rollout.verdict", 1),
    ("Message", "string", ".status.message", 1),
    ("URL", "string", ".status.url", 1),
]
_NAME_RULES = [
    {
        "rule": f"size(self.metadata.name) <= {NAME_LENGTH}",
        "message": f"metadata.name may have at most {NAME_LENGTH} characters: names of its Services are built from it",
    },
    {
        "rule": "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "message": "metadata.name must begin with a letter and have only lower-case letters, digits and '-'",
    },
]


def structural_schema(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema as a structural schema of Kubernetes: no references, no null, no titles."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[-1]]
        merged = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        return structural_schema(merged, definitions)
    if "anyOf" in schema:
        (only,) = [option for option in schema["anyOf"] if option.get("type") != "null"]
        return structural_schema(
            {**only, **{k: v for k, v in schema.items() if k not in ("anyOf", "default")}}, definitions
        )
    result = {key: value for key, value in schema.items() if key not in _DROPPED}
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if result.get("default", "") is None:
        del result["default"]
    if "properties" in schema:
        result["properties"] = {
            name: structural_schema(part, definitions) for name, part in schema["properties"].items()
        }
    if "items" in schema:
        result["items"] = structural_schema(schema["items"], definitions)
    values = schema.get("additionalProperties")
    if isinstance(values, dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result["additionalProperties"] = structural_schema(values, definitions)
    if "properties" in result and "default" in result:
        # The API server fills in the defaults of the parts; only what differs from them is said here.
        own = {name: part.get("default") for name, part in schema["properties"].items()}
        result["default"] = {name: value for name, value in result["default"].items() if value != own[name]}
    if result.get("x-kubernetes-int-or-string"):
        # It may be a number too, so no type is named.
        result = {key: value for key, value in result.items() if key != "type"}
    return result


def _schema_of(model: type[MLModelSpec] | type[MLModelStatus]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    return structural_schema(schema, schema.get("$defs", {}))


def custom_resource_definition() -> dict[str, Any]:
    """The CustomResourceDefinition of MLModel."""
    columns = [
        {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}
        for name, kind, path, priority in _COLUMNS
    ]
    schema = {
        "description": "A model in production: served, and kept at the newest version that its range allows.",
        "type": "object",
        "required": ["spec"],
        "x-kubernetes-validations": _NAME_RULES,
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _schema_of(MLModelSpec),
            "status": _schema_of(MLModelStatus),
        },
    }
    scale = {
        "specReplicasPath": ".spec.serving.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": columns,
        "subresources": {"status": {}, "scale": scale},
    }
    names = {
        "kind": KIND,
        "listKind": f"{KIND}List",
        "plural": PLURAL,
        "singular": KIND.lower(),
        "shortNames": ["mdl"],
        "categories": ["modelloop"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}", "annotations": {"helm.sh/resource-policy": "keep"}},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }
