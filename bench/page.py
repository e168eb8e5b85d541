"""Stored results as the tables of pages below docs; `python -m bench.page` rewrites them there.

A bench with tables has a module `page` (or, a single module, itself) with `tables(result)`, and its marks on the page.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.batch import page as batch
from bench.drift import levels
from bench.drift import page as drift
from bench.evidence import page as evidence
from bench.gateway import page as gateway
from bench.online import page as online
from bench.online import soak
from bench.report import RESULTS

DOCS = Path(__file__).parents[1] / "docs"
PAGE, DRIFT_PAGE, EVIDENCE_PAGE = DOCS / "benchmarks.md", DOCS / "drift.md", DOCS / "rollout-evidence.md"
Tables = Callable[[Mapping[str, Any]], str]
SECTIONS: Mapping[str, Tables] = {
    "online": online.tables,
    "drift": drift.tables,
    "batch": batch.tables,
    "soak": soak.tables,
    "gateway": gateway.tables,
}
DRIFT_SECTIONS: Mapping[str, Tables] = {"drift-levels": levels.tables}
EVIDENCE_SECTIONS: Mapping[str, Tables] = {"evidence": evidence.tables}
PAGES = ((PAGE, SECTIONS), (DRIFT_PAGE, DRIFT_SECTIONS), (EVIDENCE_PAGE, EVIDENCE_SECTIONS))


def main() -> int:
    """Rewrite the pages."""
    for page, sections in PAGES:
        page.write_text(rewritten(page.read_text(), sections))
    return 0


def rewritten(page: str, sections: Mapping[str, Tables] = SECTIONS) -> str:
    """The page with the tables of every stored result; raises ValueError when a bench's marks are not there."""
    for name, tables in sections.items():
        stored = RESULTS / f"{name}.json"
        # A bench of which no run is stored yet has its marks, and nothing between them.
        page = with_tables(page, name, tables(json.loads(stored.read_text())) if stored.exists() else "")
    return page


def with_tables(page: str, name: str, tables: str) -> str:
    """The page with `tables` between the marks of the bench `name`; raises ValueError when they are not there."""
    begin, end = marks(name)
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no {begin!r} followed by {end!r}")
    return f"{head}{begin}\n{tables}\n{end}{tail}"


def marks(name: str) -> tuple[str, str]:
    """What stands before and after the tables of a bench."""
    return f"<!-- from bench/results/{name}.json by `python -m bench.page` -->", f"<!-- end of {name}.json -->"


if __name__ == "__main__":
    sys.exit(main())
