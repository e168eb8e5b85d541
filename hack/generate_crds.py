"""Writes the generated CustomResourceDefinition to `crds/` and the chart (`--check`: says whether they are current)."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from modelloop_core.api.crd import custom_resource_definition

ROOT = Path(__file__).resolve().parents[1]
TARGETS = (ROOT / "crds/mlmodels.yaml", ROOT / "charts/modelloop-crds/templates/mlmodels.yaml")
HEADER = "# Generated from core/modelloop_core/api by `make crds`; edits are lost.\n"


class _Plain(yaml.SafeDumper):
    """Says a type in full wherever it stands: references within the file would be hard to read."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def main() -> int:
    """Write the files, or with --check report which of them differ."""
    text = HEADER + yaml.dump(
        custom_resource_definition(), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True
    )
    stale = [path for path in TARGETS if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the types say: run `make crds`")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
