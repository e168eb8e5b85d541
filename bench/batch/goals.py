"""What issue 7 asks of batch scoring, from one run's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report import Goal

OVERHEAD = {"torch": 1.5, "onnx": 1.75}
MEGABYTES = {"torch": 500, "onnx": 320}
RAY_INSIDE = {"torch": 10, "onnx": 12}
RAY_WHOLE = {"torch": 5, "onnx": 12}
GROWTH = 1.1
TWO_PODS = 1.8


def goals_of(
    rows: Sequence[Mapping[str, Any]], growth: Mapping[str, Mapping[str, float]], shards: Sequence[Mapping[str, Any]]
) -> list[Goal]:
    """The goals of performance, met or not."""
    by_name = {row["what"]: row for row in rows}
    found = []
    for kind in OVERHEAD:
        ours, parts, ray = (by_name.get(f"{name}-{kind}") for name in ("modelloop", "separately", "ray"))
        ray = by_name.get("ray-torch")
        most, least, whole = OVERHEAD[kind], RAY_INSIDE[kind], RAY_WHOLE[kind]
        found += [
            _at_most(f"{kind}: modelloop / read + forward + write", most, _ratio(ours, parts, "in process s")),
            _at_most(f"{kind}: peak memory, MB", MEGABYTES[kind], ours["MB"] if ours else None),
            _at_most(f"{kind}: memory at 20 M rows / at 1 M", GROWTH, growth[kind]["growth"]),
            _at_least(f"{kind}: Ray Data / modelloop, in process", least, _ratio(ray, ours, "in process s")),
            _at_least(f"{kind}: Ray Data / modelloop, whole process", whole, _ratio(ray, ours, "whole s")),
        ]
    speeds = {row["pods"]: row["M rows/s"] for row in shards}
    return [*found, _at_least("two pods / one pod, rows/s", TWO_PODS, speeds[2] / speeds[1])]


def _ratio(over: Mapping[str, Any] | None, under: Mapping[str, Any] | None, what: str) -> float | None:
    if over is None or under is None or over[what] is None or under[what] is None:
        return None
    return float(over[what] / under[what])


def _at_most(name: str, bound: float, value: float | None) -> Goal:
    return Goal(name, f"<= {bound:g}", value, value is not None and value <= bound)


def _at_least(name: str, bound: float, value: float | None) -> Goal:
    return Goal(name, f">= {bound:g}", value, value is not None and value >= bound)
