"""Bringing images into the node's containerd: what is there already, by digest, is not imported again."""

from pathlib import Path

from . import buildah, oci
from .binaries import binary
from .node import containerd_socket
from .profiles import Profile
from .shell import run, say


def system_archives() -> dict[str, Path]:
    """What every node needs, by image name."""
    scratch = [
        oci.ScratchImage("pause", Path(binary("pause")), "/pause", user="65535:65535"),
        oci.ScratchImage("coredns", Path(binary("coredns")), "/coredns"),
        oci.ScratchImage("metrics-server", Path(binary("metrics-server")), "/metrics-server"),
        oci.ScratchImage("envoy-gateway", Path(binary("envoy-gateway")), "/usr/local/bin/envoy-gateway"),
    ]
    found = {image.reference: oci.write_archive(image, buildah.archives()) for image in scratch}
    return {**found, "localhost/modelloop/envoy:dev": buildah.envoy_archive()}


def project_archives() -> dict[str, Path]:
    """The project's own images, built when their inputs changed."""
    return {f"localhost/modelloop/{name}:dev": buildah.project_archive(name) for name in buildah.TARGETS}


def import_all(profile: Profile, archives: dict[str, Path]) -> None:
    """Make each reference mean the archive's image in containerd."""
    present = _present(profile)
    for reference, archive in archives.items():
        if present.get(reference) == oci.manifest_digest(archive):
            continue
        say(f"  importing {reference} ({archive.stat().st_size // 1_000_000} MB)")
        _ctr(profile, "images", "import", "--base-name", reference.rpartition(":")[0], str(archive))


def _present(profile: Profile) -> dict[str, str]:
    lines = _ctr(profile, "images", "list").splitlines()[1:]
    return {words[0]: words[2] for words in (line.split() for line in lines) if len(words) > 2}


def _ctr(profile: Profile, *arguments: str) -> str:
    return run(["ctr", "--address", containerd_socket(profile), "--namespace", "k8s.io", *arguments])
