"""The first that brings a cluster up decides with whom it ends."""

from __future__ import annotations

import os

import pytest
from hack.cluster.owner import Claim, Owner, settle

ALIVE = Owner.of(os.getpid())
ANOTHER = Owner.of(os.getppid())
GONE = Owner(os.getpid(), "the number was another process's before")
NOBODY = Claim(None)


@pytest.mark.parametrize(
    ("found", "asked", "then"),
    [
        pytest.param(None, ALIVE, Claim(ALIVE), id="a new cluster ends with the process that asks"),
        pytest.param(None, None, NOBODY, id="a new cluster stays when nobody asks"),
        pytest.param(NOBODY, ALIVE, NOBODY, id="a cluster that stays is not taken over"),
        pytest.param(Claim(ANOTHER), ALIVE, Claim(ANOTHER), id="a cluster with a living owner is not taken over"),
        pytest.param(Claim(ALIVE), None, Claim(ALIVE), id="healing a cluster does not free it from its owner"),
        pytest.param(Claim(GONE), ALIVE, Claim(ALIVE), id="a crashed owner's cluster goes to the next that asks"),
        pytest.param(Claim(GONE), None, NOBODY, id="a crashed owner's cluster stays when it is brought up for good"),
    ],
)
def test_whose_it_is_after_up(found: Claim | None, asked: Owner | None, then: Claim) -> None:
    assert settle(found, asked) == then
