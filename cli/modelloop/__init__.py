"""ModelLoop in Python: `modelloop.publish(model, frame, registry="s3://models/churn")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelloop_core.publishing import Published, PublishError, from_mlflow, publish

__all__ = ["PublishError", "Published", "from_mlflow", "publish"]


def __getattr__(name: str) -> Any:
    # Late: publishing needs pandas, and `import modelloop` should cost nothing.
    if name in __all__:
        from modelloop_core import publishing

        return getattr(publishing, name)
    raise AttributeError(f"module 'modelloop' has no attribute {name!r}")
