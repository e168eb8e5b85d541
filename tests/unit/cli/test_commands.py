"""What a person sees: an answer as text or JSON, a refusal as a sentence with a hint, and the exit code."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from modelloop_cli.errors import Refused, describe
from modelloop_cli.main import CLUSTER, LOCAL, build
from modelloop_core.history import EventKind, HistoryEvent, Identity
from modelloop_core.registry import Registry
from modelloop_core.storage.directory import DirectoryStore
from modelloop_core.storage.port import NotFound
from modelloop_core.versions import Version
from support.model_files import onnx_logistic, state_dict
from support.versions import NOON

LIVE = Identity(cluster="east", namespace="shop", name="churn", uid="u")


@dataclass(frozen=True)
class Shell:
    """Runs the program in a folder that holds a model, its reference and perhaps a registry."""

    folder: Path

    def __call__(self, *arguments: str) -> Any:
        return CliRunner().invoke(build((*CLUSTER, *LOCAL)), arguments)

    @property
    def registry(self) -> Registry:
        return Registry(DirectoryStore(self.folder / "churn"))


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("AWS_", "MODELLOOP_"))]:
        monkeypatch.delenv(name)
    onnx_logistic(tmp_path / "m.onnx", 2)
    frame = pd.DataFrame({"a": [0.5, -1.0, 2.0], "b": [1, 2, 3], "left": [0, 1, 1]})
    frame.to_parquet(tmp_path / "train.parquet")
    return Shell(tmp_path)


PUBLISH = ("publish", "m.onnx", "--registry", "churn", "--reference", "train.parquet", "--label", "left")


def test_publishing_says_what_it_did_and_how_to_try_it(shell: Shell) -> None:
    done = shell(*PUBLISH)
    assert done.exit_code == 0, done.output
    assert "published 1.0.0 to churn" in done.stdout
    assert "binary model in model.onnx, takes a, b" in done.stdout
    assert "modelloop serve --registry churn --version 1.0.0" in done.stdout
    assert shell.registry.versions() == (Version(1, 0, 0),)


def test_publishing_takes_what_a_person_declares(shell: Shell) -> None:
    (shell.folder / "schema.yaml").write_text("inputs: [{kind: numeric, name: b}, {kind: numeric, name: a}]")
    (shell.folder / "steps.yaml").write_text("features: {b: [{step: scale, center: 2}]}")
    (shell.folder / "card.yaml").write_text("owner: me\ntraining_data: survey of 2015")
    declared = ("--schema", "schema.yaml", "--preprocessing", "steps.yaml", "--card", "card.yaml")
    done = shell(*PUBLISH, *declared, "--metric", "auc=0.9", "--version", "v2.0.0", "--threshold", "0.7", "-o", "json")
    assert done.exit_code == 0, done.output
    manifest = json.loads(done.stdout)["manifest"]
    assert manifest["version"] == "2.0.0"
    assert [feature["name"] for feature in manifest["signature"]["inputs"]] == ["b", "a"]
    assert manifest["signature"]["output"] == {"task": "binary", "threshold": 0.7}
    assert manifest["metrics"] == {"auc": 0.9}
    card = json.loads(shell("card", "-r", "churn", "-o", "json").stdout)
    assert (card["owner"], card["training_data"], card["model_id"]) == ("me", "survey of 2015", "churn")


def test_what_the_documentation_shows_of_mlflow_is_true(shell: Shell) -> None:
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    _, _, section = page.partition("## A model saved by MLflow")
    program, console = re.findall(r"```(?:python|console)\n(.*?)```", section, re.DOTALL)[:2]
    exec(compile(program, "docs/cli.md", "exec"), {})  # noqa: S102 - it is our own page
    command, _, shown = console.partition("\n")
    done = shell(*command.removeprefix("$ modelloop ").split())
    assert done.exit_code == 0, done.output
    assert done.stdout == shown


def test_versions_show_their_state_and_where_they_are_live(shell: Shell) -> None:
    shell(*PUBLISH)
    shell(*PUBLISH)
    _happen(shell, "canary 1.0.0", "promoted 1.0.0")
    listed = json.loads(shell("versions", "-r", "churn", "-o", "json").stdout)["versions"]
    assert [(row["version"], row["state"], row["deployed_to"]) for row in listed] == [
        ("1.1.0", "candidate", []),
        ("1.0.0", "production", ["east/shop/churn"]),
    ]
    lines = shell("versions", "-r", "churn").stdout.splitlines()
    assert lines[0].split() == ["VERSION", "STATE", "CREATED", "TASK", "FORMAT", "LIVE", "IN", "METRICS"]
    assert lines[2].startswith("1.0.0    production")


def test_one_damaged_version_does_not_hide_the_others(shell: Shell) -> None:
    shell(*PUBLISH)
    shell(*PUBLISH)
    (shell.folder / "churn/versions/1.0.0/manifest.json").write_text("{")
    done = shell("versions", "-r", "churn", "-o", "json")
    states = {row["version"]: row["state"] for row in json.loads(done.stdout)["versions"]}
    assert (done.exit_code, states) == (0, {"1.1.0": "candidate", "1.0.0": "damaged"})


def test_an_empty_registry_is_no_error(shell: Shell) -> None:
    (shell.folder / "churn").mkdir()
    assert shell("versions", "-r", "churn").stdout == "churn holds no version yet\n"
    assert json.loads(shell("versions", "-r", "churn", "-o", "json").stdout) == {"versions": []}


def test_a_card_is_that_of_the_newest_in_the_range_with_its_deployment(shell: Shell) -> None:
    shell(*PUBLISH)
    shell(*PUBLISH)
    _happen(shell, "promoted 1.0.0")
    assert "version: 1.1.0" in shell("card", "-r", "churn").stdout
    shown = json.loads(shell("card", "-r", "churn", "--version", "~1.0", "-o", "json").stdout)
    assert (shown["version"], shown["deployed_to"]) == ("1.0.0", ["east/shop/churn"])


def test_history_is_told_latest_first(shell: Shell) -> None:
    shell(*PUBLISH)
    _happen(shell, "canary 1.0.0", "rolled-back 1.0.0")
    told = json.loads(shell("history", "-r", "churn", "-o", "json").stdout)["events"]
    assert [event["event"] for event in told] == ["rolled-back", "canary", "registered"]
    assert len(json.loads(shell("history", "-r", "churn", "--limit", "1", "-o", "json").stdout)["events"]) == 1
    assert "has no such history" in shell("history", "-r", "churn", "--version", "2").stdout


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (("versions", "-r", "nowhere"), "there is no folder", "check the address"),
        (("versions", "-r", "m.onnx"), "there is no folder", "a file is in its place"),
        (("card", "-r", "churn", "--version", "^7"), "no version is in '^7'", "the newest is 1.0.0"),
        (("serve", "-r", "churn", "--version", "7"), "no version is in '7'", "the newest is 1.0.0"),
        ((*PUBLISH, "--version", "1.0.0"), "version 1.0.0 exists", "take another number"),
        (("publish", "w.pt", *PUBLISH[2:]), "holds weights", "torch.export"),
        (PUBLISH[:-2], "of 3 columns (a, b, left)", "is one of these the label?"),
        ((*PUBLISH[:-1], "right"), "no label column 'right'", "its columns are a, b, left"),
        ((*PUBLISH[:5], "m.onnx"), "no Parquet file", "give a Parquet file"),
        ((*PUBLISH, "--card", "m.onnx"), "not YAML", ""),
        ((*PUBLISH, "--precision", "int8"), "no layer that int8 would make quicker", "without --precision"),
        ((*PUBLISH, "--max-difference", "0.1"), "but no other precision", "int8, fp16"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_refusal_is_a_sentence_a_hint_and_exit_code_1(
    shell: Shell, arguments: tuple[str, ...], error: str, hint: str
) -> None:
    assert shell(*PUBLISH).exit_code == 0
    state_dict(shell.folder / "w.pt")
    refused = shell(*arguments)
    assert refused.exit_code == 1
    first, *rest = refused.stderr.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert hint in "".join(rest)
    assert "Traceback" not in refused.output
    assert not refused.stdout


def test_a_refusal_comes_as_json_where_json_was_asked(shell: Shell) -> None:
    refused = shell("versions", "-r", "nowhere", "-o", "json")
    assert refused.exit_code == 1
    told = json.loads(refused.stderr)
    assert (told["kind"], told["hint"]) == ("NotFound", "check the address")
    assert "there is no folder" in told["error"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("versions",), "Missing option"),
        (("versions", "-r", "ftp://models"), "no address of a store"),
        (("card", "-r", "churn", "--version", "newest"), "neither a version"),
        ((*PUBLISH, "--version", "^1"), "not a semantic version"),
        ((*PUBLISH, "--metric", "auc"), "NAME=VALUE"),
        ((*PUBLISH, "--metric", "auc=high"), "NAME=VALUE"),
        ((*PUBLISH, "--metric", "auc=nan"), "with a finite number"),
        ((*PUBLISH, "--metric", "auc=0.9", "--metric", "auc=0.8"), "'auc' is given twice"),
        ((*PUBLISH, "--threshold", "nan"), "--threshold"),
        (("serve", "-r", "churn", "--timeout", "inf"), "--timeout"),
        (("serve", "-r", "churn", "--host", ""), "it names no address"),
        (("versions", "--endpoint", "http://s3", "-r", "churn"), "churn is a folder"),
        (("history", "-r", "churn", "--region", "eu"), "churn is a folder"),
        (("card", "-r", "churn", "--ca-file", "m.onnx"), "churn is a folder"),
        (("status", ""), "'' is no name"),
        (("refresh", "mlmodels/churn"), "'mlmodels/churn' is no name"),
        ((*PUBLISH, "--task", "guessing"), "guessing"),
        (("publish", "absent.onnx", *PUBLISH[2:]), "does not exist"),
        (("publish", *PUBLISH[2:]), "give a model file, or --from-mlflow"),
        ((*PUBLISH, "--from-mlflow", "."), "one of the two"),
        ((*PUBLISH[:4], "--label", "left"), "give rows that the model takes"),
        (("versions", "-r", "churn", "-o", "yaml"), "yaml"),
        (("sing",), "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_use_is_a_sentence_a_hint_and_exit_code_2(shell: Shell, arguments: tuple[str, ...], told: str) -> None:
    refused = shell(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    error, hint = refused.stderr.splitlines()
    assert error.startswith("error: ")
    assert told in error
    assert hint.endswith("--help lists what it takes")


@pytest.mark.parametrize(
    "arguments",
    [
        ("versions", "-o", "json"),
        ("versions", "--output=json", "-r", "ftp://models"),
        ("versions", "-r", "ftp://models", "--output", "json"),
        ("versions", "--loud", "-ojson"),
        ("sing", "-o", "json"),
        ("--loud", "versions", "-o", "json"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_told_as_json_where_json_was_asked(shell: Shell, arguments: tuple[str, ...]) -> None:
    refused = shell(*arguments)
    assert refused.exit_code == 2
    assert json.loads(refused.stderr).keys() == {"error", "hint", "kind"}


def test_a_store_named_in_the_environment_does_not_keep_a_folder_from_being_read(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell(*PUBLISH)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3")
    monkeypatch.setenv("AWS_REGION", "eu")
    assert "1.0.0" in shell("versions", "-r", "churn").stdout


def test_without_a_word_the_program_shows_what_it_can_do(shell: Shell) -> None:
    assert "publish" in shell().output


def test_the_registry_may_be_named_once_in_the_environment(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell(*PUBLISH)
    monkeypatch.setenv("MODELLOOP_REGISTRY", "churn")
    assert "1.0.0" in shell("versions").stdout


def test_every_command_prints_text_or_json(shell: Shell) -> None:
    for command in (*LOCAL, *CLUSTER):
        assert "--output" in shell(command.__name__, "--help").stdout, command


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (Refused("it rains", "take a coat"), "it rains", "take a coat"),
        (NotFound("cannot read 'k': it is gone; look again"), "cannot read 'k': it is gone", "look again"),
        (PermissionError(13, "Permission denied", "f"), "[Errno 13] Permission denied: 'f'", ""),
        (ImportError("No module named 'torch'"), "a part of ModelLoop is not installed", "pip install"),
    ],
    ids=["hint of its own", "hint after a semicolon", "of the system", "not installed"],
)
def test_an_error_is_a_sentence_and_a_hint(error: Exception, message: str, hint: str) -> None:
    sentence, advice = describe(error)
    assert sentence.startswith(message)
    assert hint in advice


def test_an_error_that_nobody_foresaw_is_called_a_fault() -> None:
    message, hint = describe(ZeroDivisionError("division by zero"))
    assert message == "unexpected ZeroDivisionError: division by zero"
    assert "MODELLOOP_DEBUG=1" in hint


def _happen(shell: Shell, *events: str) -> None:
    for minute, text in enumerate(events):
        kind, version = text.split()
        time = NOON + timedelta(days=3650, minutes=minute)
        shell.registry.record(HistoryEvent(event=EventKind(kind), version=version, time=time, identity=LIVE))


def _captured(shell: Shell, hour: str, *entities: str) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"entity": list(entities)}), buffer)
    path = shell.folder / f"models/captures/predictions/{hour}/pod-000000.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(buffer.getvalue())


def test_old_captures_go_and_a_dry_run_only_says_so(shell: Shell) -> None:
    _captured(shell, "dt=2020-01-01/hour=00", "a")
    arguments = ("prune", "--registry", "models", "--older-than", "30d")
    assert "would remove 1 file(s)" in shell(*arguments, "--dry-run").stdout
    assert json.loads(shell(*arguments, "--output", "json").stdout)["files"] == 1
    assert "removed 0 file(s)" in shell(*arguments).stdout
    assert shell(*arguments[:-1], "soon").exit_code == 2


def test_an_entity_is_erased(shell: Shell) -> None:
    _captured(shell, "dt=2020-01-01/hour=00", "a", "b", "a")
    arguments = ("erase", "--registry", "models", "--entity", "a")
    said = shell(*arguments).stdout
    assert said.startswith("registry: erased 2 row(s) from 1 of 1 file(s)\n")
    assert "the monitor was not asked" in said
    assert "run it again" in said
    again = {"registry": {"rows": 0, "files": 0, "looked_at": 1}}
    assert json.loads(shell(*arguments, "--output", "json").stdout) == again


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--entity", ""), id="an entity without a name"),
        pytest.param(("--entity", "a", "--monitor", "http://localhost:9"), id="a monitor, and no model"),
        pytest.param(("--entity", "a", "--monitor", "localhost:9", "--name", "churn"), id="an address that is none"),
    ],
)
def test_who_is_to_be_erased_and_where_must_be_said(shell: Shell, words: tuple[str, ...]) -> None:
    _captured(shell, "dt=2020-01-01/hour=00", "a")
    assert shell("erase", "--registry", "models", *words).exit_code == 2


def test_where_one_place_cannot_be_reached_the_other_is_erased_and_that_is_said(shell: Shell) -> None:
    (shell.folder / "models/captures/predictions/dt=2020-01-01/hour=00").mkdir(parents=True)
    (shell.folder / "models/captures/predictions/dt=2020-01-01/hour=00/pod-000000.parquet").write_bytes(b"no parquet")
    done = shell("erase", "--registry", "models", "--entity", "a")
    assert done.exit_code == 1
    assert "registry: NOT ERASED: erased 0 row(s)" in done.stdout
    as_json = shell("erase", "--registry", "models", "--entity", "a", "-o", "json")
    assert as_json.exit_code == 1
    assert "1 cannot be read" in json.loads(as_json.stdout)["registry"]["error"]
