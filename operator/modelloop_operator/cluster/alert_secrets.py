"""The Secrets that watching a model needs: those of its alerts, read for the monitor, and its predictors' token."""

from __future__ import annotations

from typing import Protocol

from modelloop_core.api import MLModel
from modelloop_operator.cluster.credentials import Credentials, SecretProblem
from modelloop_operator.cluster.predictor_token import PredictorToken
from modelloop_operator.decide.observation import NoReport

_LONGEST = {"url": 2048, "key": 1024, "token": 8192}


class AlertSecrets(Protocol):
    """Where the Secrets come from."""

    async def of(self, model: MLModel) -> tuple[dict[str, dict[str, str]], NoReport | None]:
        """Those for alerts that can be used, by name, and why one that is needed cannot; raises ClusterError."""
        ...


class ReadSecrets:
    """Reads them from the API server, as often as the credentials of registries."""

    def __init__(self, credentials: Credentials, token: PredictorToken | None = None) -> None:
        self._credentials = credentials
        self._token = token

    async def of(self, model: MLModel) -> tuple[dict[str, dict[str, str]], NoReport | None]:
        """See AlertSecrets."""
        usable: dict[str, dict[str, str]] = {}
        problem: NoReport | None = None
        for field, name, key in _named(model):
            try:
                data = await self._credentials.named(model.metadata.namespace, name, key, field=field)
                usable[name] = _checked(data, f"Secret {model.metadata.namespace}/{name}")
            except SecretProblem as error:
                problem = problem or NoReport(error.reason, str(error))
        if self._token is not None:
            # First: of a model whose predictors are refused nothing is known at all.
            problem = await self._token.problem(self._credentials, model.metadata.namespace) or problem
        return usable, problem


def _named(model: MLModel) -> list[tuple[str, str, str]]:
    """Field, Secret and the key that it must have."""
    alerts = model.spec.watched.alerts
    if alerts is None:
        return []
    found = []
    if alerts.webhook is not None:
        found.append(("spec.monitoring.alerts.webhook", alerts.webhook.secretName, "url"))
    if alerts.alertmanager is not None and alerts.alertmanager.secretName is not None:
        found.append(("spec.monitoring.alerts.alertmanager", alerts.alertmanager.secretName, "token"))
    return found


def _checked(data: dict[str, str], where: str) -> dict[str, str]:
    """The values without the newline that an editor leaves; never shown, for an address may hold a password too."""
    values = {key: value.strip() for key, value in data.items() if key in _LONGEST}
    for key, value in values.items():
        if len(value) > _LONGEST[key]:
            raise SecretProblem("SecretInvalid", f"{where}: {key} is longer than {_LONGEST[key]} characters")
    if "url" in values and not values["url"].startswith(("http://", "https://")):
        raise SecretProblem("SecretInvalid", f"{where}: url does not begin with http:// or https://")
    return values
