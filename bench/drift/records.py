"""The Census records of examples/employment as a model sees them: codes, and the answers of a logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from examples.employment import census
from sklearn.linear_model import LogisticRegression

from modelloop_core.drift.bins import Float64s
from modelloop_core.drift.counter import ProfileCounter
from modelloop_core.drift.profile import Profile
from modelloop_core.drift.reference import Reference, build_reference
from modelloop_core.feature_schema import BinaryOutput, Feature, Signature
from modelloop_core.inference import rows_from_columns

TRAINED_ON = 20_000


@dataclass(frozen=True)
class Records:
    """`rows` [n, features] and `answers` [n]: the pool from which references and windows are drawn."""

    inputs: tuple[Feature, ...]
    rows: Float64s
    answers: Float64s

    @classmethod
    def load(cls) -> Records:
        """Everybody of all years, and how likely they are employed."""
        people = census.records()
        signature = census.signature(people)
        given = census.features(people)
        rows = rows_from_columns(signature, {name: given[name].to_numpy() for name in given})
        some = np.random.default_rng(0).choice(len(rows), TRAINED_ON, replace=False)
        model = LogisticRegression(max_iter=1000).fit(rows[some], census.labels(people)[some])
        return cls(signature.inputs, rows.astype(np.float64), model.predict_proba(rows)[:, 1])

    def wide(self, people_each: int) -> Wide:
        """Rows of so many unrelated people each, for more features than one person has."""
        return Wide(self, people_each)


@dataclass(frozen=True)
class Wide:
    """Rows that are several records side by side; the answer is the first one's."""

    records: Records
    people: int

    @cached_property
    def signature(self) -> Signature:
        """Each feature once for each person."""
        inputs = tuple(
            feature.model_copy(update={"name": f"{feature.name}{person}"})
            for person in range(self.people)
            for feature in self.records.inputs
        )
        return Signature(inputs=inputs, output=BinaryOutput())

    def draw(self, rng: np.random.Generator, sizes: tuple[int, ...]) -> list[tuple[Float64s, Float64s]]:
        """Rows and answers of disjoint samples without replacement."""
        total = sum(sizes)
        places = rng.choice(len(self.records.rows), total * self.people, replace=False).reshape(self.people, total)
        rows = np.concatenate([self.records.rows[chosen] for chosen in places], axis=1)
        answers = self.records.answers[places[0]]
        ends = np.cumsum(sizes)[:-1]
        return list(zip(np.split(rows, ends), np.split(answers, ends), strict=True))

    def reference(self, rows: Float64s, answers: Float64s) -> Reference:
        """As publish makes it."""
        return build_reference(self.signature, rows, answers)

    def count(self, reference: Reference, rows: Float64s, answers: Float64s) -> Profile:
        """One window in the reference's bins."""
        counter = ProfileCounter(self.signature, reference)
        counter.count(rows, answers)
        return counter.take()
