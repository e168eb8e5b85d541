from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from support import model_files
from support.predictor_inside import Start

PAGE = Path(__file__).parents[4] / "docs" / "predictor.md"


def test_the_documented_curl_is_answered_as_documented(started: Start) -> None:
    section = PAGE.read_text(encoding="utf-8").split("## Open Inference Protocol v2")[1]
    found = re.search(r"```console\n\$ (.*)\n(.*)\n```", section)
    assert found is not None
    curl, silent, address, flag, header, data_flag, body = shlex.split(found[1])
    assert (curl, silent, flag, data_flag) == ("curl", "-s", "-H", "-d")
    name, _, value = header.partition(": ")
    answer = started(model_files.Logistic()).ask(
        "POST", address.removeprefix("localhost:8080"), content=body, headers={name: value}
    )
    documented = json.loads(found[2])
    (output,) = documented["outputs"]
    output["data"] = pytest.approx(output["data"])
    assert answer.json() == documented
