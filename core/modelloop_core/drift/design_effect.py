"""By how much rows that belong together are worth less than independent ones: what sample sizes are divided by."""

from __future__ import annotations

import numpy as np

from modelloop_core.drift.bins import Float64s


def clustered(counts: Float64s) -> float:
    """The design effect of shares from counts [clusters, cells]: of entities, or of blocks of time; at least 1.

    The mean of the cells' effects, weighted by 1-share, by which Rao and Scott (1984) correct a chi-squared statistic:
    each cell's variance between clusters (of a ratio) over that of as many independent rows. Fewer than two clusters
    with rows show no variance, and give 1.
    """
    sizes = counts.sum(axis=1)
    counts, sizes = counts[sizes > 0], sizes[sizes > 0]
    n, clusters = sizes.sum(), len(sizes)
    shares = counts.sum(axis=0) / n if n else np.zeros(counts.shape[1])
    used = (shares > 0) & (shares < 1)
    if clusters < 2 or not used.any():
        return 1.0
    residuals = counts[:, used] - sizes[:, None] * shares[used]
    variances = clusters / (clusters - 1) * (residuals**2).sum(axis=0) / n**2
    # Weighted by 1-share, the effect of a cell is its variance over its share: the sum is over n times that.
    return max(1.0, float((n * variances / shares[used]).sum() / (1 - shares[used]).sum()))


def of_sizes(rows: Float64s) -> float:
    """The design effect when only rows by entity [entities] are known, and all rows of one may be alike; at least 1.

    Kish's sum of squares over the sum: the size of the entity that a row, chosen at random, belongs to.
    """
    total = float(rows.sum())
    return max(1.0, float((np.asarray(rows, dtype=np.float64) ** 2).sum()) / total) if total else 1.0
