"""Coverage-guided fuzzing of what reads a caller's bytes: `PYTHONPATH=tests python tests/fuzz.py TARGET RUNS`.

A failure shows the bytes that did it; they then become a case of a unit test.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["modelloop_predictor"]):
    from support.fuzz_targets import check_head, check_infer, check_rows

_HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-type: application/json\r\n\r\nabc"
_TENSORS = (
    b'{"inputs":[{"name":"age","shape":[1],"datatype":"INT64",%b},{"name":"member","shape":[1,1],"datatype":"BOOL",'
    b'"data":[true]},{"name":"region","shape":[1],"datatype":"BYTES","data":["north"]}],"id":"a"}'
)
_LONGEST = 1000
_SEED = 1


def _head(data: bytes) -> bool:
    """The first byte chooses: a good head changed at one place, the rest twice, or the rest in two parts."""
    match data[:1]:
        case b"0" if len(data) > 2:
            start, dropped = data[1] % len(_HEAD), data[2] % 4
            return check_head(_HEAD, _HEAD[:start] + data[3:] + _HEAD[start + dropped :])
        case b"1":
            return check_head(data[1:], data[1:])
        case _:
            first, _, second = data.partition(b"\x00")
            return check_head(first, second)


def _infer(data: bytes) -> bool:
    """The first byte says how many of the last ones are not JSON; 0: all are."""
    body, binary = data[1:], data[0] if data else 0
    return check_infer(body, max(0, len(body) - binary) if binary else None)


TARGETS: dict[str, tuple[Callable[[bytes], bool], list[bytes]]] = {
    "heads": (_head, [b"0\x00\x00", b"1" + _HEAD, _HEAD + b"\x00" + _HEAD.replace(b" 3", b" 5") + b"de"]),
    "rows": (
        check_rows,
        [
            b'{"features":[31,true,"north"],"request_id":"a","user_id":"1"}',
            b'{"instances":[{"age":null,"member":0,"region":3},[1.0,false,null]],"user_id":1844674407370955161}',
        ],
    ),
    "infer": (
        _infer,
        [
            b"\x00" + _TENSORS % b'"data":[31]',
            b"\x08" + _TENSORS % b'"parameters":{"binary_data_size":8}' + (31).to_bytes(8, "little"),
        ],
    ),
}


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def main(name: str, runs: int) -> None:
    """Ask the target that many times; ends the process, with 0 when all held."""
    check, examples = TARGETS[name]
    for example in examples:
        assert check(example), f"the example is to be taken, or the fuzzer starts from nothing: {example!r}"
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, example in enumerate(examples):
            (corpus / str(number)).write_bytes(example)
        options = [
            f"-runs={runs}",
            f"-seed={_SEED}",
            f"-max_len={_LONGEST}",
            f"-artifact_prefix={folder}/",
            "-timeout=10",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: check(data) and None)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
