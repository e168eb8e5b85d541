"""Bringing images into the node's containerd: what is there already, by what it was made of, is not imported again."""

from pathlib import Path

from . import buildah, oci
from .binaries import CONTOUR, binary
from .node import containerd_socket
from .profiles import Profile
from .shell import run, say

# On the image in containerd: the archive it came from, whose name holds the hash of all it was made of.
LABEL = "modelloop.dev/archive"


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


def ingress_archives() -> dict[str, Path]:
    """What the Ingress controller needs beyond the system's images."""
    image = oci.ScratchImage("contour", CONTOUR.path, "/bin/contour")
    return {image.reference: oci.write_archive(image, buildah.archives())}


def project_archives() -> dict[str, Path]:
    """The project's own images, built when their inputs changed."""
    return {f"localhost/modelloop/{name}:dev": buildah.project_archive(name) for name in buildah.TARGETS}


def import_all(profile: Profile, archives: dict[str, Path]) -> None:
    """Make each reference mean the archive's image in containerd."""
    present = _present(profile)
    for reference, archive in archives.items():
        if present.get(reference, {}).get(LABEL) == archive.stem:
            continue
        say(f"  importing {reference} ({archive.stat().st_size // 1_000_000} MB)")
        # Without a base name ctr also makes a name of the day, which the next import takes away: a container that the
        # kubelet knows by it then cannot start again.
        _ctr(profile, "images", "import", "--base-name", reference.rpartition(":")[0], str(archive))
        _ctr(profile, "images", "label", reference, f"{LABEL}={archive.stem}")


def _present(profile: Profile) -> dict[str, dict[str, str]]:
    found = {}
    for line in _ctr(profile, "images", "list").splitlines()[1:]:
        name, *_, labels = line.split()
        found[name] = dict(label.split("=", 1) for label in labels.split(",") if "=" in label)
    return found


def _ctr(profile: Profile, *arguments: str) -> str:
    return run(["ctr", "--address", containerd_socket(profile), "--namespace", "k8s.io", *arguments])
