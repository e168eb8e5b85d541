"""What every check has in common: whose numbers, at which chance, and how they become a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelloop_core.drift.bins import Float64s
from modelloop_core.evidence import growth, wording
from modelloop_core.evidence.observed import Observed, Pair
from modelloop_core.evidence.series import balance
from modelloop_core.wire.evidence import Check, CheckName, EvidenceQuery, Verdict

LARGEST = 700.0
"""ln of an e-value beyond which it is told as this."""


@dataclass(frozen=True, eq=False)
class Path:
    """ln of an e-value after each interval [T], and the e-value from which its check fails.

    `excused` says that it would fail, were the live version not as bad.
    """

    grown: Float64s
    needed: float
    excused: bool = False

    @property
    def failed_at(self) -> int | None:
        """The first interval in which it was reached, if it was."""
        places = np.flatnonzero(self.grown >= math.log(self.needed))
        return int(places[0]) if len(places) else None

    def numbers(self, pair: Pair) -> dict[str, Any]:
        """What a check tells of it, and of what was counted."""
        largest = math.exp(min(float(self.grown.max(initial=0.0)), LARGEST))
        return {"candidate": pair.ours, "stable": pair.theirs, "e_value": largest, "needed": self.needed}


@dataclass(frozen=True, eq=False)
class Asked:
    """What one check is asked: the limits, what was observed, and the chance at which it may be wrong to fail."""

    query: EvidenceQuery
    observed: Observed
    rate: float

    @property
    def needed(self) -> float:
        """The e-value from which it fails."""
        return 1 / self.rate

    def check(
        self,
        name: CheckName,
        limit: float,
        *,
        within: bool,
        failed_at: int | None,
        excused: bool = False,
        **numbers: Any,
    ) -> Check:
        """The check: failed from an interval on, else held until there is enough and what was seen is `within`."""
        if failed_at is not None:
            numbers["failed_at"] = self.observed.end_of(failed_at)
        missing = self._missing(name)
        if name is CheckName.PREDICTION_PSI and self.observed.unreferenced:
            numbers["hint"] = self.observed.outputs_note
        return self.concluded(name, limit, missing, within=within, excused=excused, **numbers)

    def concluded(
        self, name: CheckName, limit: float, missing: str, *, within: bool, excused: bool = False, **numbers: Any
    ) -> Check:
        """The check by its numbers: failed where they say `failed_at`, held while something is `missing`."""
        verdict = Verdict.PASSED
        if numbers.get("failed_at") is not None:
            verdict = Verdict.FAILED
        elif missing or not within:
            verdict = Verdict.INCONCLUSIVE
        found = Check(name=name, limit=limit, verdict=verdict, message="", **numbers)
        return found.model_copy(update={"message": wording.message(found, self.query, missing, excused=excused)})

    def rate_path(self, pair: Pair, most: float, *, compared: bool) -> Path:
        """Evidence that the candidate's rate is above `most` and, where it is `compared`, above the live version's.

        What breaks both versions is not the candidate's fault. Where the live version is asked nothing any more, there
        is nothing to compare, and the limit stands alone.
        """
        alone = Path(growth.against_rate(pair.hits, pair.of, most), self.needed)
        if not compared:
            return alone
        worse = growth.against_ratio(*pair.counts, 1.0)
        grown = np.where(np.isnan(balance(pair.of, pair.their_of)), alone.grown, np.minimum(alone.grown, worse))
        both = Path(grown, self.needed)
        return replace(both, excused=alone.failed_at is not None and both.failed_at is None)

    def ratio_path(self, pair: Pair, most: float) -> Path:
        """Evidence that the candidate's rate is more than `most` times the live version's."""
        return Path(growth.against_ratio(*pair.counts, most), self.needed)

    def _missing(self, name: CheckName) -> str:
        requests = int(self.observed.in_step.candidate.asked.sum())
        if requests < self.query.min_requests:
            return wording.too_few(requests, self.query.min_requests, self.query.version)
        theirs = int(self.observed.stable.asked.sum())
        if name in wording.COMPARED and theirs < self.query.min_requests:
            return wording.too_few(theirs, self.query.min_requests, self.query.against)
        if name is CheckName.DISAGREEMENT:
            compared = int(self.observed.in_step.candidate.compared.sum())
            return "" if compared >= self.query.min_requests else wording.too_few_compared(compared, self.query)
        return self.observed.outputs_note if name is CheckName.PREDICTION_PSI else ""
