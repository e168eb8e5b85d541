"""What every part of `status` has in common."""

from __future__ import annotations

from pydantic import ConfigDict

from modelloop_core.api.fields import APIObject


class StatusObject(APIObject):
    """A part of status, which is read back from a newer or older operator too: what is unknown is dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore")
