"""`spec.monitoring.alerts` of an MLModel: who is told when something opens, gets worse or is over."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from modelloop_core.api.fields import PORT_RULE, APIObject, ObjectName, rules
from modelloop_core.wire.settings import Severity

_SOMEBODY = "give webhook, alertmanager, or both: these alerts would reach nobody"


class Webhook(APIObject):
    """A web address that incidents are posted to as JSON."""

    secretName: ObjectName = Field(
        description="Secret in this namespace with url and, to have each post signed by HMAC-SHA256, key."
    )


class Alertmanager(APIObject):
    """An Alertmanager, by its API v2."""

    url: str = Field(
        max_length=256,
        pattern=r"^https?://[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$",
        description="Its address, for example http://alertmanager.monitoring:9093.",
        json_schema_extra=rules(PORT_RULE),
    )
    secretName: ObjectName | None = Field(
        default=None, description="Secret in this namespace with token, which is shown as a bearer token."
    )


class Alerts(APIObject):
    """Who is told of incidents, and how grave they are."""

    model_config = ConfigDict(json_schema_extra=rules(("has(self.webhook) || has(self.alertmanager)", _SOMEBODY)))

    severity: Severity = Field(default="warning", description="Label of the alerts.")
    webhook: Webhook | None = Field(default=None, description="A web address.")
    alertmanager: Alertmanager | None = Field(default=None, description="An Alertmanager.")

    @model_validator(mode="after")
    def _reaches_somebody(self) -> Self:
        if self.webhook is None and self.alertmanager is None:
            raise ValueError(_SOMEBODY)
        return self
