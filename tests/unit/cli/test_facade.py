"""`import modelloop` costs nothing and offers `publish`."""

from __future__ import annotations

import subprocess
import sys

import pytest

import modelloop
from modelloop_core import publishing


def test_publish_is_that_of_core() -> None:
    assert modelloop.publish is publishing.publish
    assert modelloop.PublishError is publishing.PublishError
    with pytest.raises(AttributeError, match="no attribute 'sing'"):
        modelloop.sing  # noqa: B018 - looking is the test


@pytest.mark.parametrize("module", ["modelloop", "modelloop_cli.main"])
def test_importing_loads_no_heavy_library(module: str) -> None:
    heavy = {"torch", "pandas", "numpy", "botocore", "kubernetes", "yaml"}
    look = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
