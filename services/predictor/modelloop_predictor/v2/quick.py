"""The usual infer request in one typed pass: one tensor of floats in JSON, one number a row as the answer.

As with `fast_rows`, nothing is refused here: what is not plainly usual is None and read by `rest`, which words errors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import orjson

from modelloop_core.feature_schema import BinaryOutput, RegressionOutput, Signature
from modelloop_predictor.names import may_repeat
from modelloop_predictor.problems import MOST_ROWS
from modelloop_predictor.v2.contract import PREDICTION, Contract
from modelloop_predictor.v2.rows import MATRIX, is_matrix

_FLOATS = ("FP32", "FP64")
# With more the other way is as quick, and a body with a fault is not read twice.
_MOST_BYTES = 64 << 10


# Of the request `inputs`, of its tensor all.
_NAMES = 5


class _Input(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    shape: tuple[int, int]
    datatype: str
    data: list[float]


class _Request(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    inputs: tuple[_Input]
    id: str | None = None


class QuickInference(NamedTuple):
    """Rows that are not yet held against their bounds, and the request's own id."""

    cells: list[Any]
    id: str | None


class QuickCodec:
    """Reads and writes for one version; see `quick_codec`."""

    def __init__(self, width: int, contract: Contract) -> None:
        self._width = width
        self._decoder = msgspec.json.Decoder(_Request)
        # A name may hold what the template takes for a place of its own.
        names = (orjson.dumps(name).replace(b"%", b"%%") for name in (contract.model_name, contract.version_name))
        self._answer = b'{"model_name":%b,"model_version":%b,"id":%%b,"outputs":[%b%%d],"data":%%b}]}' % (
            *names,
            b'{"name":%b,"datatype":"FP64","shape":[' % orjson.dumps(PREDICTION),
        )

    def read(self, body: bytes) -> QuickInference | None:
        """The request's rows, or None when it has to be read the slow way."""
        if len(body) > _MOST_BYTES:
            return None
        try:
            request = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        tensor, width = request.inputs[0], self._width
        rows, data = tensor.shape[0], tensor.data
        if tensor.name != MATRIX or tensor.shape[1] != width or tensor.datatype not in _FLOATS:
            return None
        if not 1 <= rows <= MOST_ROWS or rows * width != len(data):
            return None
        if may_repeat(body, _NAMES + (request.id is not None)):
            return None
        cells = [data] if rows == 1 else [data[start : start + width] for start in range(0, len(data), width)]
        return QuickInference(cells, request.id)

    def write(self, values: list[float], identity: str) -> bytes:
        """The JSON answer to a request whose rows got `values`."""
        return self._answer % (orjson.dumps(identity), len(values), orjson.dumps(values))


def quick_codec(signature: Signature, contract: Contract) -> QuickCodec | None:
    """A codec where all features are numbers, none is called like the tensor of all, and a row gets one number."""
    output = signature.output
    one_number = isinstance(output, BinaryOutput) or (isinstance(output, RegressionOutput) and not output.names)
    if not one_number or not is_matrix(signature) or MATRIX in signature.feature_names:
        return None
    return QuickCodec(len(signature.inputs), contract)
