from __future__ import annotations

import random
from collections import Counter

from modelloop_core.drift.levels import FrequentNames


def test_few_names_are_counted_exactly() -> None:
    names = FrequentNames(3)
    for name in ("tablet", "watch", "tablet"):
        names.add(name)
    assert names.counts == {"tablet": 2, "watch": 1}


def test_a_frequent_name_stays_whatever_else_comes() -> None:
    drawn = random.Random(1)
    stream = ["tablet"] * 300 + [f"rare-{number}" for number in range(2000)]
    drawn.shuffle(stream)
    names, truth = FrequentNames(10), Counter(stream)
    for name in stream:
        names.add(name)
    counts = names.counts
    assert len(counts) == 10
    assert max(counts, key=counts.__getitem__) == "tablet"
    assert all(truth[name] <= count <= truth[name] + len(stream) / 10 for name, count in counts.items())
