"""Trains the employment model on Census records of 2015 and publishes it.

python examples/employment/train.py                               # train 1.0.0, print what it is worth
python examples/employment/train.py --registry s3://models/employment [--variant 1.1.0]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score

from modelloop_core.feature_schema import Signature
from modelloop_core.inference import Float32s
from modelloop_core.preprocessing import Preprocessing
from modelloop_core.publishing import Schema, publish
from modelloop_core.registry import Registry

try:
    from examples.employment import census
except ImportError:  # run as a script
    import census  # type: ignore[import-not-found, no-redef]

TRAIN_YEAR, HOLDOUT_YEAR = 2015, 2016
SEED = 20150101


@dataclass(frozen=True)
class Variant:
    """How one version is trained: on a share of the people of some age and over; `members` networks are averaged."""

    version: str
    width: int
    epochs: int
    members: int
    share: float = 1.0
    from_age: int = census.LAUNCH_AGE

    @property
    def whom(self) -> str:
        """Whom it has seen, in words."""
        people = f"people of {self.from_age} and over"
        return people if self.share == 1 else f"{100 * self.share:g} % of the {people}"


VARIANTS = {
    one.version: one
    for one in (
        Variant("1.0.0", 64, 30, 1, share=0.1),
        Variant("1.1.0", 64, 5, 4),
        # By mistake: a filter with another age in it than the one whom the service is for.
        Variant("1.2.0", 64, 5, 1, from_age=50),
    )
}


@dataclass(frozen=True)
class Trained:
    """A trained model with what it needs to be published and judged."""

    variant: Variant
    model: torch.nn.Module
    signature: Signature
    preprocessing: Preprocessing
    people: pd.DataFrame

    def predict(self, people: pd.DataFrame) -> np.ndarray:
        """Probabilities [n]."""
        with torch.no_grad():
            answers: np.ndarray = self.model(torch.from_numpy(self.columns(people))).numpy()
        return answers

    def columns(self, people: pd.DataFrame) -> Float32s:
        """The model's input for these people."""
        return census.matrix(people, self.signature, self.preprocessing)


class Ensemble(torch.nn.Module):
    """The mean probability of several networks; [n, k] to [n]."""

    def __init__(self, members: list[torch.nn.Module]) -> None:
        super().__init__()
        self.members = torch.nn.ModuleList(members)

    def forward(self, columns: torch.Tensor) -> torch.Tensor:
        """Probabilities."""
        return torch.stack([torch.sigmoid(member(columns)[:, 0]) for member in self.members]).mean(dim=0)


def train(variant: Variant, people: pd.DataFrame) -> Trained:
    """Train on the variant's part of four fifths of 2015's launch population; seeded, so it can be repeated."""
    # Batches are small: more threads wait for one another, and their number would change the sums.
    torch.set_num_threads(1)
    to_train_on, _ = census.apart(people, TRAIN_YEAR)
    group = census.launch_population(to_train_on, TRAIN_YEAR)
    signature, steps = census.signature(group), census.preprocessing(group)
    seen = group[group[census.AGE] >= variant.from_age].sample(frac=variant.share, random_state=SEED).sort_index()
    columns = torch.from_numpy(census.matrix(seen, signature, steps))
    labels = torch.from_numpy(census.labels(seen))
    members = [_fit(columns, labels, variant, SEED + number) for number in range(variant.members)]
    return Trained(variant, Ensemble(members).eval(), signature, steps, seen)


def baseline(trained: Trained, people: pd.DataFrame) -> np.ndarray:
    """Probabilities [n] by logistic regression on the same columns of the same people."""
    fitted = LogisticRegression(max_iter=300).fit(trained.columns(trained.people), census.labels(trained.people))
    answers: np.ndarray = fitted.predict_proba(trained.columns(people))[:, 1]
    return answers


def worth(people: pd.DataFrame, answers: np.ndarray) -> dict[str, float]:
    """AUC and accuracy of probabilities [n] for these people."""
    label = census.labels(people)
    return {"auc": float(roc_auc_score(label, answers)), "accuracy": float(accuracy_score(label, answers >= 0.5))}


def publish_trained(trained: Trained, registry: Registry | str, *, version: str | None = None) -> str:
    """Publish with its metrics on the holdout of the launch population; returns the version."""
    holdout = census.launch_population(census.records(), HOLDOUT_YEAR)
    published = publish(
        trained.model,
        census.features(trained.people),
        registry=registry,
        schema=Schema(inputs=trained.signature.inputs, output=trained.signature.output),
        preprocessing=trained.preprocessing,
        version=version or trained.variant.version,
        metrics=worth(holdout, trained.predict(holdout)),
        model_id="employment",
        training_data=f"American Community Survey {TRAIN_YEAR}, Massachusetts, {trained.variant.whom}",
        intended_use="Demonstration: whether a person is employed. Not for decisions about people.",
        limitations=f"Has seen nobody under {trained.variant.from_age}.",
    )
    return str(published.version)


def _fit(columns: torch.Tensor, labels: torch.Tensor, variant: Variant, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    width = variant.width
    network = torch.nn.Sequential(
        torch.nn.Linear(columns.shape[1], width), torch.nn.ReLU(), torch.nn.Dropout(0.1),
        torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Dropout(0.1),
        torch.nn.Linear(width, 1),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = variant.epochs * len(list(_batches(len(labels))))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    loss_of = torch.nn.BCEWithLogitsLoss()
    for _ in range(variant.epochs):
        for rows in _batches(len(labels)):
            optimizer.zero_grad()
            loss_of(network(columns[rows])[:, 0], labels[rows]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _batches(rows: int, size: int = 512) -> Iterator[torch.Tensor]:
    yield from torch.split(torch.randperm(rows), size)


def main() -> None:
    """Train, print what the model is worth, and publish where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=VARIANTS, default="1.0.0")
    parser.add_argument("--registry", help="publish there; the store's endpoint and credentials as boto3 finds them")
    options = parser.parse_args()
    people = census.records()
    trained = train(VARIANTS[options.variant], people)
    _report(trained, people)
    if options.registry:
        print(f"published {publish_trained(trained, options.registry)} to {options.registry}")


def _report(trained: Trained, people: pd.DataFrame) -> None:
    year = census.everybody(people, HOLDOUT_YEAR)
    groups = {
        f"{census.LAUNCH_AGE} and over": census.launch_population(people, HOLDOUT_YEAR),
        f"under {census.LAUNCH_AGE}": year[year[census.AGE] < census.LAUNCH_AGE],
        "everybody": year,
    }
    print(f"{HOLDOUT_YEAR} holdout      people   model AUC  accuracy   logistic AUC  accuracy")
    for name, group in groups.items():
        ours, theirs = worth(group, trained.predict(group)), worth(group, baseline(trained, group))
        row = f"{ours['auc']:.4f}    {ours['accuracy']:.4f}         {theirs['auc']:.4f}    {theirs['accuracy']:.4f}"
        print(f"{name:<14} {len(group):>8}      {row}")


if __name__ == "__main__":
    main()
