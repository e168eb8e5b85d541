"""The cache never goes back to an older revision, whatever order watch and LIST come in."""

from __future__ import annotations

from typing import Any

from modelloop_operator.cluster.cache import Cache
from modelloop_operator.cluster.kinds import MLMODEL, SERVICE
from modelloop_operator.handlers import absorb

KEY = ("shop", "churn")


def model(revision: int, **more: Any) -> dict[str, Any]:
    metadata = {"name": "churn", "namespace": "shop", "uid": "uid-1", "resourceVersion": str(revision)}
    return {"metadata": {**metadata, "managedFields": [{"manager": "x"}]}, "spec": {}, **more}


def child(revision: int, name: str = "churn", *, owner: str | None = "churn", uid: str = "uid-1") -> dict[str, Any]:
    reference = {"kind": "MLModel", "name": owner, "uid": uid, "controller": True}
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": f"{name}-uid",
        "resourceVersion": str(revision),
        "ownerReferences": [reference] if owner else [],
        "managedFields": [{"manager": "modelloop", "operation": "Apply", "fieldsV1": {"f:spec": {"f:selector": {}}}}],
    }
    return {"metadata": metadata, "spec": {"selector": {"modelloop.dev/version": f"{revision}.0.0"}}}


def versions(cache: Cache) -> dict[str, str]:
    return {found.name: str(found.facts.version) for found in cache.children(KEY)}  # type: ignore[union-attr]


def resync(cache: Cache, *listed: dict[str, Any]) -> set[tuple[str, str]]:
    return cache.resync_children(SERVICE, listed, cache.mark())


def test_a_model_is_kept_without_its_managed_fields() -> None:
    cache = Cache()
    assert cache.put_model(model(5)) == KEY
    assert "managedFields" not in cache.models[KEY]["metadata"]


def test_an_older_revision_of_a_model_changes_nothing() -> None:
    cache = Cache()
    cache.put_model(model(5, spec={"new": True}))
    cache.put_model(model(4))
    assert cache.models[KEY]["spec"] == {"new": True}


def test_an_event_from_before_a_deletion_does_not_bring_a_model_back() -> None:
    cache = Cache()
    cache.put_model(model(5))
    cache.drop_model(model(7))
    cache.put_model(model(6))
    assert KEY not in cache.models
    cache.put_model(model(8))
    assert KEY in cache.models


def test_a_late_deletion_does_not_take_the_next_model_of_that_name() -> None:
    cache = Cache()
    cache.put_model(model(8))
    cache.drop_model(model(7))
    assert KEY in cache.models


def test_a_list_from_before_a_deletion_does_not_bring_a_model_back() -> None:
    cache = Cache()
    cache.put_model(model(5))
    cache.drop_model(model(7))
    assert cache.resync_models([model(5)], cache.mark()) == set()
    assert KEY not in cache.models


def test_deletions_are_remembered_only_until_every_list_is_over() -> None:
    cache = Cache()
    cache.drop_model(model(7))
    cache.forget_deletions()
    cache.put_model(model(5))
    assert KEY in cache.models


def test_a_child_marks_its_owner_only_when_a_kept_fact_changed() -> None:
    cache = Cache()
    assert cache.put_child(SERVICE, child(1)) == KEY
    same = child(1)
    same["metadata"]["resourceVersion"] = "2"
    assert cache.put_child(SERVICE, same) is None
    assert cache.put_child(SERVICE, child(3)) == KEY


def test_an_older_revision_of_a_child_changes_nothing() -> None:
    cache = Cache()
    cache.put_child(SERVICE, child(5))
    assert cache.put_child(SERVICE, child(4)) is None
    assert versions(cache) == {"churn": "5.0.0"}


def test_an_event_from_before_a_deletion_does_not_bring_a_child_back() -> None:
    cache = Cache()
    cache.put_child(SERVICE, child(5))
    assert cache.drop_child(SERVICE, child(7)) == KEY
    assert cache.put_child(SERVICE, child(6)) is None
    assert cache.children(KEY) == ()


def test_a_late_deletion_does_not_take_the_next_child_of_that_name() -> None:
    cache = Cache()
    cache.put_child(SERVICE, child(8))
    assert cache.drop_child(SERVICE, child(7)) is None
    assert versions(cache) == {"churn": "8.0.0"}


def test_an_object_that_no_mlmodel_controls_is_not_kept() -> None:
    cache = Cache()
    assert cache.put_child(SERVICE, child(1, owner=None)) is None
    assert cache.children(KEY) == ()


def test_a_child_that_loses_its_owner_marks_the_one_that_had_it() -> None:
    cache = Cache()
    cache.put_child(SERVICE, child(1))
    assert cache.put_child(SERVICE, child(2, owner=None)) == KEY
    assert cache.children(KEY) == ()


def test_a_child_that_changes_its_owner_leaves_the_first() -> None:
    cache = Cache()
    cache.put_child(SERVICE, child(1))
    cache.put_child(SERVICE, child(2, owner="other"))
    assert cache.children(KEY) == ()
    assert [found.name for found in cache.children(("shop", "other"))] == ["churn"]


def test_a_child_of_an_earlier_mlmodel_of_that_name_is_kept_with_its_owners_uid() -> None:
    cache = Cache()
    cache.put_child(SERVICE, child(1, uid="uid-0"))
    assert [found.owner_uid for found in cache.children(KEY)] == ["uid-0"]


def test_a_list_drops_ghosts_adds_what_was_missed_and_tells_whose_they_were() -> None:
    cache = Cache()
    cache.put_child(SERVICE, child(1, "ghost"))
    cache.put_child(SERVICE, child(2, "same"))
    assert resync(cache, child(2, "same"), child(3, "missed")) == {KEY}
    assert versions(cache) == {"same": "2.0.0", "missed": "3.0.0"}
    assert resync(cache, child(2, "same"), child(3, "missed")) == set()


def test_a_list_tells_which_models_differed() -> None:
    cache = Cache()
    cache.put_model(model(5))
    assert cache.resync_models([model(5)], cache.mark()) == set()
    assert cache.resync_models([model(6)], cache.mark()) == {KEY}
    assert cache.resync_models([], cache.mark()) == {KEY}
    assert cache.models == {}


def test_what_came_after_the_list_began_is_no_ghost() -> None:
    cache = Cache()
    mark = cache.mark()
    cache.put_model(model(5))
    cache.put_child(SERVICE, child(6))
    assert cache.resync_models([], mark) == set()
    assert cache.resync_children(SERVICE, [], mark) == set()
    assert KEY in cache.models
    assert versions(cache) == {"churn": "6.0.0"}


def test_what_changed_after_the_list_began_is_no_ghost() -> None:
    cache = Cache()
    cache.put_child(SERVICE, child(5))
    mark = cache.mark()
    cache.put_child(SERVICE, child(6))
    assert cache.resync_children(SERVICE, [], mark) == set()
    assert versions(cache) == {"churn": "6.0.0"}


def test_watch_events_are_absorbed_by_kind_and_type() -> None:
    cache = Cache()
    # kopf gives no type to what it lists at first.
    assert absorb(cache, MLMODEL, None, model(1)) == KEY
    assert absorb(cache, SERVICE, "ADDED", child(2)) == KEY
    assert absorb(cache, SERVICE, "DELETED", child(3)) == KEY
    assert absorb(cache, MLMODEL, "DELETED", model(4)) == KEY
    assert (cache.models, cache.children(KEY)) == ({}, ())
