"""A Prometheus that says what a test wants, by expression."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelloop_operator.cluster.prometheus import PrometheusError


@dataclass
class FakePrometheus:
    """Implements `Prometheus`; an expression without an answer has no data."""

    answers: dict[str, float | PrometheusError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def value(self, promql: str) -> float:
        """See Prometheus."""
        self.asked.append(promql)
        answer = self.answers.get(promql, PrometheusError("it has no data: no series, or none lately"))
        if isinstance(answer, PrometheusError):
            raise answer
        return answer
