"""`python -m hack.demo`: tells the story, checks that it came true, and leaves the model running."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from hack.demo import report, stage
from hack.demo.alone import alone
from hack.demo.cluster import Cluster, DemoFailed
from hack.demo.model import Model
from hack.demo.screen import Screen
from hack.demo.story import Story, new_story

from modelloop_core.publishing import PublishError
from modelloop_core.registry_errors import RegistryError
from modelloop_core.storage.port import StoreError


def main() -> int:
    """Run the demo or end it; exit code 1 when anything that it promises did not happen."""
    parser = argparse.ArgumentParser(prog="python -m hack.demo", description=__doc__)
    parser.add_argument("--down", action="store_true", help="end the demo; the cluster stays")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write what was measured to this file")
    options = parser.parse_args()
    screen = Screen()
    try:
        with alone():
            model = Model(Cluster.find())
            if options.down:
                stage.take_down(model, screen)
            else:
                _run(model, screen, options.json)
    except (DemoFailed, StoreError, RegistryError, PublishError) as error:
        screen.console.print(f"\nthe demo failed: {error}", style="bold red", markup=False)
        return 1
    return 0


def _run(model: Model, screen: Screen, target: Path | None) -> None:
    try:
        with screen.live():
            stage.install(model, screen)
            stage.clear(model, screen)
            story = new_story(model, screen)
            _tell(story)
        _conclude(story, screen, model.url, target)
    except (DemoFailed, StoreError, RegistryError):
        screen.console.print(stage.evidence(model), markup=False)
        raise


def _tell(story: Story) -> None:
    story.train()
    story.publish_first()
    story.apply()
    story.send_records()
    try:
        story.promote()
        story.kill_a_pod()
        story.take_back()
        story.publish_damaged()
        story.apply_a_wrong_manifest()
        story.is_stable()
        story.open_to_all()
        story.drift_is_noticed()
        story.labels_arrive()
    finally:
        story.traffic.stop()


def _conclude(story: Story, screen: Screen, url: str, target: Path | None) -> None:
    answers = story.traffic.answers
    report.show(screen.console, answers, story.requests_per_core)
    if target is not None:
        told = report.summary(
            answers,
            promoted=story.promoted,
            taken_back=story.taken_back,
            refused=story.refused,
            noticed=story.noticed,
            requests_per_core=story.requests_per_core,
            seconds=screen.seconds,
        )
        target.write_text(json.dumps(told, indent=2) + "\n")
    report.judge(answers)
    report.farewell(screen.console, answers, url)


if __name__ == "__main__":
    sys.exit(main())
