"""Reads the process's settings from its environment, once; every one is a field of PredictorEnvironment."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from modelloop_core.wire.environment import PREFIX, PredictorEnvironment


class SettingsError(ValueError):
    """The environment cannot start a predictor; the message has one line for each bad variable."""


# Unknown variables are let pass: Kubernetes puts MODELLOOP_..._SERVICE_HOST of other Services into each pod.
class _Settings(PredictorEnvironment, BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, protected_namespaces=()
    )


def read_settings(**given: Any) -> PredictorEnvironment:
    """The settings from `MODELLOOP_*`, with those that are `given` in their place.

    Raises SettingsError naming each variable that is bad or missing.
    """
    try:
        settings = _Settings(**given)
    except ValidationError as error:
        # Of what one value leads to, the first is the cause: rules whose one rule is bad are also too few.
        causes = {fault["loc"][:2]: fault for fault in reversed(error.errors())}
        lines = [_line(fault["loc"], fault["msg"], fault["input"]) for fault in reversed(causes.values())]
        raise SettingsError("\n".join(lines)) from error
    return PredictorEnvironment(**settings.model_dump())


def _line(location: tuple[int | str, ...], message: str, found: object) -> str:
    variable, place = PREFIX + str(location[0]).upper(), ".".join(str(part) for part in location[1:])
    if message == "Field required" and not place:
        return f"{variable} is not set"
    return f"{variable}{': ' if place else ''}{place}={found!r}: {message}"
