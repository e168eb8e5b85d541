"""Whether a post can be counted: against the clock, and against the bins of the reference that it names."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from modelloop_core.drift.reference import Reference, digest_of
from modelloop_core.wire.profiles import ColumnDelta, ProfilePost
from modelloop_monitor.problems import (
    INVALID,
    NEEDS_REFERENCE,
    WRONG_REFERENCE,
    WRONG_TIME,
    ProblemError,
    invalid,
)
from modelloop_monitor.store import references
from modelloop_monitor.store.engine import Store

_MOST_SHAPES = 20_000
_MOST_KEPT = 64
_MOST_KEPT_BYTES = 32 << 20
"""Of their documents; in memory they are three times as large."""

_TRUSTED_SECONDS = 3_600.0
_PLAIN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Shape:
    """How many bins each column of a reference has: all that counting needs to know of it."""

    features: Mapping[str, int]
    outputs: Mapping[str, int]

    @classmethod
    def of(cls, reference: Reference) -> Shape:
        """The reference's."""
        return cls(
            {name: column.bins.size for name, column in reference.features.items()},
            {name: column.bins.size for name, column in reference.outputs.items()},
        )


class References:
    """References by digest: kept in the database, the shapes of many and a few whole ones in memory.

    What is in memory may have been forgotten in the database, as nobody had used it for long: where a post relies on
    one, that is looked up again each hour.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shapes: OrderedDict[str, Shape] = OrderedDict()
        self._whole: OrderedDict[str, Reference] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()

    def shape(self, digest: str, now: float) -> Shape | None:
        """The shape of the reference with this digest, if the database has it; raises StoreError."""
        with self._lock:
            shape, seen = self._shapes.get(digest), self._seen.get(digest, float("-inf"))
        if shape is not None and now - seen < _TRUSTED_SECONDS:
            return shape
        with self._store.reading() as connection:
            there = references.has(connection, digest)
        reference = self.whole(digest) if there else None
        if reference is None:
            self._drop(digest)
            return None
        self._seen[digest] = now
        return shape or Shape.of(reference)

    def whole(self, digest: str) -> Reference | None:
        """The reference with this digest, if the monitor has it; raises StoreError."""
        with self._lock:
            if digest in self._whole:
                self._whole.move_to_end(digest)
                return self._whole[digest]
        with self._store.reading() as connection:
            document = references.load(connection, digest)
        if document is None:
            return None
        return self._keep(digest, Reference.model_validate_json(document), len(document))

    @property
    def _bytes(self) -> int:
        return sum(self._sizes.values())

    @property
    def kept(self) -> int:
        """How many whole ones are in memory."""
        return len(self._whole)

    def put(self, digest: str, document: bytes, now: float) -> None:
        """Take a reference; raises ProblemError for bytes that are none, or not those of the digest."""
        found = digest_of(document)
        if found != digest:
            raise ProblemError(WRONG_REFERENCE, f"the body's SHA-256 is {found}, not {digest} as the address says")
        try:
            reference = Reference.model_validate_json(document)
        except ValidationError as error:
            raise invalid(error) from error
        with self._store.writing() as connection:
            references.save(connection, digest, document, now)
        self._keep(digest, reference, len(document))
        self._seen[digest] = now

    def _drop(self, digest: str) -> None:
        with self._lock:
            self._shapes.pop(digest, None)
            self._whole.pop(digest, None)
            self._sizes.pop(digest, None)
            self._seen.pop(digest, None)

    def _keep(self, digest: str, reference: Reference, size: int) -> Reference:
        with self._lock:
            self._whole[digest], self._sizes[digest] = reference, size
            self._shapes[digest] = Shape.of(reference)
            # One stays, however large it is.
            while len(self._whole) > _MOST_KEPT or (len(self._whole) > 1 and self._bytes > _MOST_KEPT_BYTES):
                oldest, _ = self._whole.popitem(last=False)
                del self._sizes[oldest]
            while len(self._shapes) > _MOST_SHAPES:
                oldest, _ = self._shapes.popitem(last=False)
                self._seen.pop(oldest, None)
        return reference


@dataclass(frozen=True)
class Clock:
    """What times a post may be of, in seconds from now."""

    tolerance: float
    late: float

    def place(self, post: ProfilePost, now: float) -> tuple[float, float]:
        """The moment for which a post counts, and by how much its clock is ahead; raises ProblemError."""
        since, until = post.since.timestamp(), post.until.timestamp()
        if since > until:
            raise ProblemError(WRONG_TIME, f"since {post.since.isoformat()} is after until {post.until.isoformat()}")
        ahead = max(until - now, 0.0)
        if ahead > self.tolerance:
            words = f"the post ends {ahead:.0f} s from now, more than the {self.tolerance:g} s that clocks may differ"
            raise ProblemError(WRONG_TIME, f"{words}: set the clock of {post.source}")
        moment = (since + until) / 2 - ahead
        if moment < now - self.late:
            words = f"the post is of {now - moment:.0f} s ago, and windows are closed after {self.late:g} s"
            raise ProblemError(WRONG_TIME, words)
        return moment, ahead


def check_names(post: ProfilePost) -> None:
    """Raise ProblemError for names that no Kubernetes object and no version has."""
    for field in ("source", "epoch", "namespace", "name", "version"):
        value = getattr(post, field)
        if not _PLAIN.fullmatch(value):
            raise ProblemError(INVALID, f"{field} {value!r} must be visible ASCII")


def check_shape(post: ProfilePost, shapes: References, now: float) -> None:
    """Raise ProblemError unless the monitor has the post's reference and the counts fit its bins."""
    if post.reference is None:
        if post.features or post.outputs:
            raise ProblemError(WRONG_REFERENCE, "counts were posted, but no reference in whose bins they are")
        return
    shape = shapes.shape(post.reference, now)
    if shape is None:
        words = f"put the reference first: PUT /v1/references/{post.reference}, then post again"
        raise ProblemError(NEEDS_REFERENCE, words)
    _check_columns("feature", post.features, shape.features)
    _check_columns("output", post.outputs, shape.outputs)


def _check_columns(part: str, columns: Mapping[str, ColumnDelta], sizes: Mapping[str, int]) -> None:
    for name, column in columns.items():
        if name not in sizes:
            raise ProblemError(WRONG_REFERENCE, f"the reference has no {part} {name!r}")
        if len(column.counts) != sizes[name] or len(column.sums) not in (0, sizes[name]):
            words = f"{part} {name!r} has {sizes[name]} bins in the reference"
            found = f"{len(column.counts)} counts and {len(column.sums)} sums"
            raise ProblemError(WRONG_REFERENCE, f"{words}, and {found} in the post")
