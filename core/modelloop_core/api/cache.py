"""`spec.serving.cache` of an MLModel: whether an answer is given again without asking the model."""

from __future__ import annotations

from pydantic import ConfigDict, Field, field_validator

from modelloop_core.api.fields import PORT_RULE, APIObject, Duration, ObjectName, rules, seconds
from modelloop_core.wire.limits import REDIS_URL

LONGEST_TTL_SECONDS = 86400
_TTL_FORM = "^([0-9]{1,8}ms|[0-9]{1,5}(s|m|h))+$"
_TTL_RULE = "ttl must be in ms, s, m or h, longer than zero and at most 24h"


class Cache(APIObject):
    """Answers are kept for a while, in each pod's memory and, where there is one, in a Redis that pods share."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.redisURL) || (has(self.maxEntries) && self.maxEntries > 0)",
                "redisURL needs maxEntries of at least 1: with 0 nothing is cached",
            ),
            ("!has(self.redisSecretName) || has(self.redisURL)", "redisSecretName needs redisURL"),
        )
    )

    maxEntries: int = Field(
        default=0, ge=0, le=1_000_000, description="Most predictions that a pod keeps in memory; 0 caches nothing."
    )
    ttl: Duration = Field(
        default="60s",
        description="How long an answer may be given again; at most 24h.",
        json_schema_extra=rules(
            (
                f"self.matches('{_TTL_FORM}') && duration(self) > duration('0s') && duration(self) <= duration('24h')",
                _TTL_RULE,
            )
        ),
    )
    redisURL: str | None = Field(
        default=None,
        max_length=256,
        pattern=REDIS_URL,
        description="A Redis in which pods share answers, for example rediss://redis.cache:6379/0; without user and "
        "password, which belong into a Secret.",
        json_schema_extra=rules(PORT_RULE),
    )
    redisSecretName: ObjectName | None = Field(
        default=None, description="Secret in this namespace with the Redis' password, and perhaps username."
    )

    @field_validator("ttl")
    @classmethod
    def _within_bounds(cls, text: str) -> str:
        if not 0 < seconds(text) <= LONGEST_TTL_SECONDS:
            raise ValueError(_TTL_RULE)
        return text
