"""The images that need a base: Debian by debootstrap, Envoy on it, and the project's own Dockerfile."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import packages
from .binaries import ENVOY_WHEEL, envoy
from .lock import alone
from .profiles import ROOT, cache_folder
from .shell import run, say

BASE = "localhost/modelloop/base:dev"
SUITE = "bookworm"
INCLUDE = "python3,python3-venv,ca-certificates"
TARGETS = ("control", "runtime")
CERTIFICATES = Path("/etc/ssl/certs")
# What leaves the context unbuilt when it changes; the rest of the repository is not in any image.
CONTEXT = (
    "Dockerfile",
    ".dockerignore",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "requirements",
    "core",
    "operator",
    "services",
    "jobs",
    "cli",
)


def archives() -> Path:
    """Where finished image archives wait to be imported."""
    return cache_folder() / "images"


def base_image() -> str:
    """A minimal Debian with Python, made once per recipe."""
    key = hashlib.sha256(f"{SUITE} {INCLUDE}".encode()).hexdigest()[:12]
    tagged = f"localhost/modelloop/base:{key}"
    if not _exists(tagged):
        say(f"  making the base image from Debian {SUITE} (about 45 s, once)")
        with _work_folder() as work:
            mirror = packages.debian_mirror()
            run(["debootstrap", "--variant=minbase", f"--include={INCLUDE}", SUITE, work / "root", mirror])
            for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
                shutil.rmtree(work / "root" / waste, ignore_errors=True)
            (work / "root/var/cache/apt/archives/partial").mkdir(parents=True)
            (work / "root/var/lib/apt/lists/partial").mkdir(parents=True)
            (work / "Dockerfile").write_text(
                "FROM scratch\nCOPY root /\nENV PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8\n"
            )
            _build(work, tagged, [])
    _buildah("tag", tagged, BASE)
    return tagged


def envoy_archive() -> Path:
    """Envoy as a pod runs it: upstream's binary on our Debian."""
    base = base_image()
    target = archives() / f"envoy-{hashlib.sha256(f'{ENVOY_WHEEL} {base}'.encode()).hexdigest()[:16]}.tar"
    if not target.exists():
        with _work_folder() as work:
            shutil.copy(envoy(), work / "envoy")
            (work / "Dockerfile").write_text(
                f'FROM {base}\nCOPY envoy /usr/local/bin/envoy\nUSER 65532:65532\nENTRYPOINT ["envoy"]\n'
            )
            _build(work, "localhost/modelloop/envoy:dev", [])
        _export("localhost/modelloop/envoy:dev", target)
    return target


def project_archive(name: str) -> Path:
    """One of the project's images, built anew only when something it is made of changed."""
    base = base_image()
    target = archives() / f"{name}-{_inputs(base)}.tar"
    if not target.exists():
        with alone("images"):
            _build_project(name, base, target)
    return target


def _build_project(name: str, base: str, target: Path) -> None:
    say(f"  building localhost/modelloop/{name}:dev")
    reference = f"localhost/modelloop/{name}:dev"
    for stage in (f"{name}-dependencies", name):
        tag = f"localhost/modelloop/{stage}:dev"
        _build(ROOT, tag, ["--target", stage, "--build-arg", f"BASE={base}", *_pip_options()])
    for old in archives().glob(f"{name}-*.tar"):
        old.unlink()
    _export(reference, target)
    _drop_replaced()


def _drop_replaced() -> None:
    """Remove images without a name, which an hour of changes makes gigabytes of.

    The stages with dependencies have names, as they take minutes to make again.
    """
    _buildah("rm", "--all")
    _buildah("rmi", "--prune", "--force")


def _inputs(base: str) -> str:
    wheels = sorted(wheel.name for folder in _wheel_folders() for wheel in folder.glob("*.whl"))
    digest = hashlib.sha256(f"{base} {wheels}".encode())
    for top in CONTEXT:
        path = ROOT / top
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _wheel_folders() -> list[Path]:
    folders = [Path(word) for word in os.environ.get("PIP_FIND_LINKS", "").split()]
    return [folder for folder in folders if folder.is_dir() and any(folder.glob("*.whl"))]


def _pip_options() -> list[str]:
    """Let pip inside RUN see what pip sees here: wheel folders, the CA bundle, an index that the user chose."""
    options: list[str] = []
    if CERTIFICATES.exists():
        options += ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    inside = []
    for number, folder in enumerate(_wheel_folders()):
        options += ["--volume", f"{folder}:/wheels/{number}:ro"]
        inside.append(f"/wheels/{number}")
    arguments = {"PIP_FIND_LINKS": " ".join(inside)}
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT"):
        if os.environ.get(name):
            arguments[name] = os.environ[name]
    for name, value in arguments.items():
        options += ["--build-arg", f"{name}={value}"]
    return options


def _build(context: Path, reference: str, options: list[str]) -> None:
    _buildah("build", "--layers", "--isolation", "chroot", "--format", "oci", "-t", reference, *options, str(context))


def _export(reference: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".partial")
    temporary.unlink(missing_ok=True)
    # Docker's archive is the one that stays uncompressed: it never travels, and a gigabyte costs a minute to compress.
    _buildah("push", reference, f"docker-archive:{temporary}:{reference}")
    temporary.replace(target)


def _exists(reference: str) -> bool:
    return bool(_buildah("images", "--quiet", "--filter", f"reference={reference}").strip())


def _buildah(*arguments: str) -> str:
    """buildah with a storage of its own, so that a person's images stay apart from the cluster's."""
    store = cache_folder() / "containers"
    temporary = store / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return run(
        ["buildah", "--root", store / "root", "--runroot", store / "run", *arguments],
        env={"TMPDIR": str(temporary)},
        timeout=3600,
    )


@contextmanager
def _work_folder() -> Iterator[Path]:
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="work-") as name:
        yield Path(name)
