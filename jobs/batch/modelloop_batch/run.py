"""A whole run: plan, shards, manifest. Each step is written once, so that a run which died goes on where it stopped."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from modelloop_batch import planning
from modelloop_batch.asked import Asked, check_asked, check_same
from modelloop_batch.earlier import last_until, seen_keys
from modelloop_batch.errors import BadInput, InputChanged
from modelloop_batch.finishing import Limit, manifest_of
from modelloop_batch.inputs import Source
from modelloop_batch.model import LoadedVersion
from modelloop_batch.output import Output
from modelloop_batch.scoring import Recipe, Since
from modelloop_batch.shards import ShardScorer
from modelloop_batch.tables import Predictions, Rejects
from modelloop_core.wire.batch import Incremental, Plan, RunManifest, ShardRecord


class Told:
    """Who watches a run; this one says nothing."""

    def planned(self, plan: Plan, finished: int) -> None:
        """The plan is fixed; so many of its rows are finished already."""

    def rows(self, read: int, rejected: int) -> None:
        """So many more rows were read, and so many of them refused."""

    def finished(self, plan: Plan, record: ShardRecord) -> None:
        """A shard was finished, now or by an earlier try."""


@dataclass(frozen=True)
class Result:
    """A whole run: its plan, its shards and its manifest; `again` when it was whole already."""

    plan: Plan
    records: tuple[ShardRecord, ...]
    manifest: RunManifest
    uri: str
    again: bool = False


class Run:
    """One run of one version over one input into one output; constructing it does nothing."""

    def __init__(
        self,
        asked: Asked,
        source: Source,
        output: Output,
        version: LoadedVersion,
        *,
        now: Callable[[], datetime],
        told: Told | None = None,
    ) -> None:
        self._asked, self._source, self._output, self._version = asked, source, output, version
        self._now, self._told = now, told or Told()
        self._folder = output.folder(asked.date, version.manifest.version)

    def score(self, only: Collection[int] | None = None) -> Result | None:
        """Score what is not scored yet, of the shards in `only` or of all; None while shards of others are missing.

        Raises BatchError, StoreError, InferenceError.
        """
        check_asked(self._asked, self._version.manifest.signature)
        plan = self._folder.plan() or self._folder.settle_plan(self._plan())
        check_same(plan, self._asked, self._source.uri, self._version.model_digest, self._folder.uri)
        if (whole := self._folder.manifest()) is not None:
            return Result(plan, _in_order(self._folder.records()), whole, self._folder.uri, again=True)
        records = self._records(plan, only)
        if len(records) < len(plan.shards):
            return None
        self._limit(plan, records).check(self._folder.uri)
        manifest = self._folder.settle_manifest(manifest_of(plan, records, self._version, self._now()))
        return Result(plan, records, manifest, self._folder.uri)

    def _plan(self) -> Plan:
        asked, signature = self._asked, self._version.manifest.signature
        footers = planning.read_footers(self._source, self._source.files())
        planning.check_columns(footers, signature, asked.keys, asked.newest)
        newest = (asked.newest,) if asked.newest else ()
        return Plan(
            run=f"{asked.date}-{self._version.manifest.version}-{secrets.token_hex(4)}",
            date=asked.date,
            version=self._version.manifest.version,
            model=self._version.model_digest,
            input=self._source.uri,
            keys=asked.keys,
            incremental=self._incremental(),
            files=tuple(footer.file for footer in footers),
            shards=planning.cut(footers, asked.shards),
            not_read=planning.not_read(footers, (*signature.feature_names, *asked.keys, *newest)),
            created=self._now(),
        )

    def _incremental(self) -> Incremental | None:
        if self._asked.newest is None:
            return None
        since = Incremental(key=self._asked.keys[0], column=self._asked.newest)
        after = last_until(self._output, self._source.uri, since)
        return since.model_copy(update={"after": after})

    def _records(self, plan: Plan, only: Collection[int] | None) -> tuple[ShardRecord, ...]:
        """The finished shards, after those that this process shall do are finished too."""
        records = self._folder.records()
        wanted = [place for place in range(len(plan.shards)) if only is None or place in only]
        self._told.planned(plan, sum(record.read for record in records.values()))
        for record in _in_order(records):
            self._told.finished(plan, record)
        missing = [place for place in wanted if place not in records]
        if missing:
            self._check_unchanged(plan)
            self._score(plan, missing, records)
        return _in_order(self._folder.records())

    def _score(self, plan: Plan, missing: list[int], records: dict[int, ShardRecord]) -> None:
        limit = self._limit(plan, records.values())
        files = {file.key: file for file in plan.files}
        scorer = self._scorer(plan)
        for place in missing:
            try:
                record = scorer.score(place, plan.shards[place], files, self._told.rows)
            except BadInput as error:
                raise type(error)(f"shard {place} of {len(plan.shards)}: {error}") from error
            self._told.finished(plan, record)
            limit.add(record)
            limit.check(self._folder.uri)

    def _limit(self, plan: Plan, records: Iterable[ShardRecord]) -> Limit:
        limit = Limit(self._asked.max_rejects, plan)
        for record in records:
            limit.add(record)
        return limit

    def _scorer(self, plan: Plan) -> ShardScorer:
        version, first = self._version, plan.files[0]
        with self._source.opened(first.key, first.size) as file:
            types = {name: file.schema_arrow.field(name).type for name in plan.keys}
        recipe = Recipe(
            signature=version.manifest.signature,
            scorer=version.scorer,
            reference=version.reference,
            predictions=Predictions(version.manifest.signature.output, plan.version, types),
            rejects=Rejects(types),
            keys=plan.keys,
            since=self._since(plan),
        )
        return ShardScorer(
            self._source,
            self._folder,
            recipe,
            reference=version.reference_digest,
            threads=self._asked.threads,
            now=self._now,
        )

    def _since(self, plan: Plan) -> Since | None:
        if plan.incremental is None:
            return None
        after = plan.incremental.after
        if after is None:
            return Since(plan.incremental.column)
        return Since(plan.incremental.column, after.moment, seen_keys(self._output, after))

    def _check_unchanged(self, plan: Plan) -> None:
        found = {info.key: (info.size, info.etag) for info in self._source.files()}
        for file in plan.files:
            if found.get(file.key) != (file.size, file.etag):
                what = "changed" if file.key in found else "is gone"
                raise InputChanged(
                    f"{file.key!r} of {plan.input!r} {what} since run {plan.run} was planned; put it back, or give "
                    "another --date to begin anew"
                )


def _in_order(records: dict[int, ShardRecord]) -> tuple[ShardRecord, ...]:
    return tuple(records[place] for place in sorted(records))
