"""Census records that no version was trained on, as callers send them.

They are of the year of the training: from one year to the next the Census codes of ancestry changed a little, and a
demo that says "stable" wants a world that is.
"""

from __future__ import annotations

import pandas as pd
from examples.employment import census
from examples.employment.train import TRAIN_YEAR
from hack.demo.traffic import Person

LAUNCHED, OPENED = f"{census.LAUNCH_AGE} and over", "all ages"
_SAMPLE = 8000
_SEED = 7


def launch_people(records: pd.DataFrame) -> list[Person]:
    """Those whom the service is launched for."""
    return _persons(census.launch_population(_held_out(records), TRAIN_YEAR))


def all_people(records: pd.DataFrame) -> list[Person]:
    """Those whom it is opened to later."""
    return _persons(_held_out(records))


def is_newcomer(person: Person) -> bool:
    """Whether the model has seen nobody of this age."""
    return person.features[census.AGE] < census.LAUNCH_AGE


def _held_out(records: pd.DataFrame) -> pd.DataFrame:
    _, held_out = census.apart(records, TRAIN_YEAR)
    return held_out


def _persons(people: pd.DataFrame) -> list[Person]:
    chosen = people.sample(_SAMPLE, random_state=_SEED)
    rows = census.features(chosen).to_dict(orient="records")
    labels = chosen[census.LABEL].tolist()
    return [
        Person({str(name): int(value) for name, value in row.items()}, int(label))
        for row, label in zip(rows, labels, strict=True)
    ]
