"""From finished shards to the manifest; and how many rows may be refused before a run fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from modelloop_batch.earlier import until_of
from modelloop_batch.errors import TooManyRejects
from modelloop_batch.model import LoadedVersion
from modelloop_batch.profiles import judged
from modelloop_core.wire.batch import REJECTS, BatchDrift, Plan, RunManifest, ShardRecord


class Limit:
    """How many rows of a run may be refused, as a share of all; counts those of finished shards."""

    def __init__(self, share: float, plan: Plan) -> None:
        self._share, self._rows = share, plan.rows
        self._rejected = 0
        self._reasons: Counter[str] = Counter()

    def add(self, record: ShardRecord) -> None:
        """One more shard is finished."""
        self._rejected += record.rejected
        self._reasons.update(record.reasons)

    def check(self, where: str) -> None:
        """Raise TooManyRejects beyond the limit."""
        if self._rejected <= self._share * self._rows:
            return
        most = ", ".join(f"{reason} ({count:,})" for reason, count in self._reasons.most_common(3))
        raise TooManyRejects(
            f"{self._rejected:,} of {self._rows:,} rows are refused, and {self._share:.2%} may be: {most}; "
            f"{where}{REJECTS} lists each; correct the input, or allow more (--max-rejects)"
        )


def manifest_of(plan: Plan, records: Sequence[ShardRecord], version: LoadedVersion, now: datetime) -> RunManifest:
    """The manifest of a run whose shards are all finished."""
    drift, note = _drift(records, version)
    reasons: Counter[str] = Counter()
    for record in records:
        reasons.update(record.reasons)
    before = plan.incremental.after if plan.incremental else None
    return RunManifest(
        run=plan.run,
        date=plan.date,
        version=plan.version,
        model=plan.model,
        input=plan.input,
        input_rows=sum(record.read for record in records),
        scored=sum(record.scored for record in records),
        rejected=sum(record.rejected for record in records),
        unchanged=sum(record.unchanged for record in records),
        reasons=dict(reasons.most_common(100)),
        keys=plan.keys,
        files=tuple(record.file for record in records if record.file is not None),
        rejects=tuple(record.rejects for record in records if record.rejects is not None),
        not_read=plan.not_read,
        incremental=plan.incremental,
        until=until_of(records, before, plan.date, plan.version) if plan.incremental else None,
        drift=drift,
        drift_note=note,
        started=plan.created,
        finished=now,
    )


def _drift(records: Sequence[ShardRecord], version: LoadedVersion) -> tuple[BatchDrift | None, str]:
    if version.reference is None:
        return None, "the version has no reference, so that nothing was counted"
    profiles = [record.profile for record in records if record.profile is not None]
    if not profiles:
        return None, "no row was scored"
    return judged(version.reference, profiles), ""
