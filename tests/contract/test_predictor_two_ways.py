"""The short way below ASGI against the way through FastAPI: chunked bodies take the latter, all else is equal."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from modelloop_core.feature_schema import CategoricalFeature, NumericFeature
from support.generated_requests import ODD_VALUES
from support.predictor_process import PredictorProcess
from support.published import PEOPLE, publish_people
from support.raw_http import Wire, chunked, request

COUNT = 2000
SEED = 20261127
V2_HEAD = b"POST /v2/models/model/infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
_VALUES = tuple(value for value in ODD_VALUES if len(value) < 500)
_TYPES = ("text/plain", "application/json; charset=latin-1", "application/vnd.x+json", "APPLICATION/JSON")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PredictorProcess]:
    folder = tmp_path_factory.mktemp("two-ways")
    publish_people(folder / "registry", folder)
    with PredictorProcess(folder, {"timeout_seconds": 10, "access_log_per_second": 0}) as predictor:
        yield predictor.until_ready()


def _cell(random_: random.Random, feature: NumericFeature | CategoricalFeature) -> str:
    if random_.random() < 0.06:
        return random_.choice(_VALUES)
    if feature.nullable and random_.random() < 0.2:
        return "null"
    if isinstance(feature, CategoricalFeature):
        return json.dumps(random_.choice([*feature.levels, *(["tablet", 3, True] if feature.open else [])]))
    if feature.dtype == "bool":
        return random_.choice(["true", "false", "0", "1", "1.0"])
    return str(random_.randint(0, 120)) if feature.dtype == "int64" else repr(random_.uniform(-1e6, 1e6))


def _row(random_: random.Random) -> str:
    cells = [(feature.name, _cell(random_, feature)) for feature in PEOPLE.inputs]
    if random_.random() < 0.05:
        cells.pop(random_.randrange(len(cells)))
    if random_.random() < 0.05:
        cells.append((random_.choice(["age", "more"]), random_.choice(_VALUES)))
    if random_.random() < 0.5:
        return f"[{','.join(cell for _, cell in cells)}]"
    random_.shuffle(cells)
    return f"{{{','.join(f'{json.dumps(name)}:{cell}' for name, cell in cells)}}}"


def _body(random_: random.Random) -> bytes:
    many = random_.random() < 0.4
    rows = [_row(random_) for _ in range(random_.randint(0 if random_.random() < 0.1 else 1, 4))]
    members = [f'"instances":[{",".join(rows)}]' if many or not rows else f'"features":{rows[0]}']
    for key, share in (("request_id", 0.2), ("user_id", 0.3), ("other", 0.02), ("features", 0.02)):
        if random_.random() < share:
            value = random_.choice(_VALUES) if random_.random() < 0.3 else f'"{random_.randint(0, 999)}"'
            members.append(f'"{key}":{value}')
    random_.shuffle(members)
    body = f"{{{','.join(members)}}}".encode()
    if random_.random() < 0.05:
        cut = random_.randrange(len(body) + 1)
        body = (
            body[:cut] + random_.choice([b"", b"\xff", b"\x00", b" ", b"}", b"{"]) + body[cut + random_.randint(0, 2) :]
        )
    return body


def _tensors(random_: random.Random) -> bytes:
    rows = random_.randint(1, 3)
    inputs: list[dict[str, Any]] = []
    for feature in PEOPLE.inputs:
        if isinstance(feature, CategoricalFeature):
            kind, data = "BYTES", [random_.choice(["north", "phone", "3"]) for _ in range(rows)]
        elif feature.dtype == "bool":
            kind, data = "BOOL", [random_.random() < 0.5 for _ in range(rows)]
        elif feature.dtype == "int64":
            kind, data = "INT64", [random_.randint(0, 130) for _ in range(rows)]
        else:
            kind, data = "FP64", [random_.choice([1.5, 1e39, -3]) for _ in range(rows)]
        kind = random_.choice(["FP16", "X", "BYTES"]) if random_.random() < 0.03 else kind
        shape: list[Any] = random_.choice([[rows], [rows, 1], [rows + 1]]) if random_.random() < 0.1 else [rows]
        inputs.append({"name": feature.name, "datatype": kind, "shape": shape, "data": data})
    if random_.random() < 0.1:
        inputs.append(random_.choice(inputs))
    document: dict[str, Any] = {"inputs": inputs}
    if random_.random() < 0.3:
        document["id"] = random_.choice(["mine", "", "ü", 5])
    if random_.random() < 0.2:
        document["outputs"] = [{"name": random_.choice(["prediction", "probability", "what"])}]
    return json.dumps(document).encode()


def _asked(random_: random.Random, number: int) -> tuple[bytes, tuple[bytes, ...], bytes]:
    """A body, header lines and the head to send them with."""
    v2 = random_.random() < 0.2
    head = V2_HEAD if v2 else V2_HEAD.replace(b"/v2/models/model/infer", b"/predict")
    lines = [b"x-request-id: n%d" % (number // 100)]  # The same for a while, so that heads are remembered.
    if random_.random() < 0.2:
        lines.append(b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    if random_.random() < 0.05:
        head = head.replace(b"application/json", random_.choice(_TYPES).encode())
    return _tensors(random_) if v2 else _body(random_), tuple(lines), head


def test_both_ways_give_the_same_answer_to_each_of_two_thousand_requests(running: PredictorProcess) -> None:
    random_ = random.Random(SEED)
    statuses: dict[int, int] = {}
    with running.connect() as one, running.connect() as other:
        short, long = Wire(one), Wire(other)
        for number in range(COUNT):
            body, lines, head = _asked(random_, number)
            short.send(request(body, *lines, head=head))
            long.send(chunked(body, *lines, head=head))
            found, expected = short.answer(), long.answer()
            assert found.lasting == expected.lasting, (body, lines, head)
            statuses[found.status] = statuses.get(found.status, 0) + 1
    # That the requests are worth comparing: most are good, and many are not.
    assert statuses[200] > COUNT / 4
    assert min(statuses[400], statuses[415], statuses[422]) > COUNT / 100
