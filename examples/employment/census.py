"""The Census records: who is in them, what a model may see, and how its columns are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from modelloop_core.feature_schema import BinaryOutput, CategoricalFeature, Feature, NumericFeature, Signature
from modelloop_core.inference import Encoder, Float32s, rows_from_columns
from modelloop_core.preprocessing import Bucket, Encode, Preprocessing, Step

DATA = Path(__file__).parent / "data/employment_ma.parquet"
LABEL, YEAR, AGE = "employed", "year", "AGEP"
LAUNCH_AGE = 30
"""The service is launched for people of this age and over."""
_HELD_OUT_SHARE, _SEED = 0.2, 20150101


def records() -> pd.DataFrame:
    """Everybody, 2015 to 2018."""
    return pd.read_parquet(DATA)


def apart(people: pd.DataFrame, year: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One year's records in two: those to train on, and the fifth, drawn by chance, that no training sees."""
    of_year = people[people[YEAR] == year]
    held_out = of_year.sample(frac=_HELD_OUT_SHARE, random_state=_SEED)
    return of_year.drop(held_out.index), held_out


def launch_population(people: pd.DataFrame, year: int) -> pd.DataFrame:
    """Those of one year whom the service was launched for."""
    return people[(people[YEAR] == year) & (people[AGE] >= LAUNCH_AGE)]


def everybody(people: pd.DataFrame, year: int) -> pd.DataFrame:
    """All of one year: whom the service is opened to later."""
    return people[people[YEAR] == year]


def features(people: pd.DataFrame) -> pd.DataFrame:
    """What callers send: no label, no year."""
    return people.drop(columns=[LABEL, YEAR])


def signature(people: pd.DataFrame) -> Signature:
    """Age as a number, all else as levels; a code not seen in `people` is let pass, as no level."""
    return Signature(inputs=tuple(_feature(people, name) for name in features(people)), output=BinaryOutput())


def preprocessing(people: pd.DataFrame) -> Preprocessing:
    """One column for two years of age each and one for each level; part of the version: callers send plain codes."""
    one_hot = Encode(method="one-hot")
    steps: dict[str, tuple[Step, ...]] = dict.fromkeys(features(people), (one_hot,))
    edges = tuple(float(age) for age in range(LAUNCH_AGE, 96, 2))
    return Preprocessing(features={**steps, AGE: (Bucket(edges=edges), one_hot)})


def matrix(people: pd.DataFrame, of: Signature, steps: Preprocessing) -> Float32s:
    """The model's columns for these people, float32 [n, k], made as a predictor makes them."""
    given = features(people)
    columns = {name: given[name].to_numpy() for name in given}
    return Encoder(of, steps).transform(rows_from_columns(of, columns))


def labels(people: pd.DataFrame) -> np.ndarray:
    """1 for employed, float32 [n]."""
    return np.asarray(people[LABEL], dtype=np.float32)


def _feature(people: pd.DataFrame, name: str) -> Feature:
    if name == AGE:
        return NumericFeature(name=name, dtype="int64", minimum=0, maximum=120)
    levels = tuple(str(code) for code in sorted(people[name].unique()))
    return CategoricalFeature(name=name, levels=levels, open=True)
