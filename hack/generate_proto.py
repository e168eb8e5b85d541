"""Writes the Python messages of the Open Inference Protocol (`--check`: says whether they are current)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
PROTO = ROOT / "services/predictor/modelloop_predictor/v2/open_inference.proto"


def main() -> int:
    """Write the files, or with --check report which of them differ."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "protoc",
            f"--proto_path={PROTO.parent}",
            f"--python_out={folder}",
            f"--pyi_out={folder}",
            PROTO.name,
        ]
        if protoc.main(command) != 0:
            return 1
        written = {PROTO.parent / path.name: path.read_text() for path in Path(folder).iterdir()}
    stale = [path for path, text in written.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what {PROTO.name} says: run `make proto`")
        return 1 if stale else 0
    for path in stale:
        path.write_text(written[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
