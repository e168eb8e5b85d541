"""Templates to HTML, with the words and numbers that they use; everything is escaped that is not markup of ours."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from modelloop_monitor.dashboard import wording
from modelloop_monitor.dashboard.views.evidence import comparisons, shown_name
from modelloop_monitor.dashboard.views.rollouts import rollout_path
from modelloop_monitor.dashboard.visit import Visit

_PACKAGE = "modelloop_monitor.dashboard"
STATIC = "static"


def render(template: str, visit: Visit | None = None, **values: Any) -> str:
    """The page; `visit` is None where nobody is known yet."""
    return environment().get_template(template).render(visit=visit, **values)


@cache
def environment() -> Environment:
    """The templates of this package."""
    made = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(wording.FILTERS, rollout_path=rollout_path, check_name=shown_name, comparisons=comparisons)
    made.globals.update(asset=asset, LEVELS=wording.LEVELS)
    return made


@cache
def asset(name: str) -> str:
    """The address of a static file; it changes with the content, so that browsers may keep it for ever."""
    digest = hashlib.sha256(files(_PACKAGE).joinpath(STATIC, name).read_bytes()).hexdigest()[:12]
    return f"/{STATIC}/{name}?{digest}"
