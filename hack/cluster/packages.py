"""Debian packages that the node profile and some tests stand on; missing ones are installed, and it says so."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from .profiles import ClusterError
from .shell import run, say

# A program that each package brings: looking for it costs nothing and works on other distributions too.
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/ptp",
    "nftables": "nft",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "iproute2": "ip",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
}
CNI_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin")


def ensure(packages: Mapping[str, str] = PACKAGES) -> None:
    """Install the packages whose programs are missing; raises ClusterError where that is impossible."""
    missing = [name for name, program in packages.items() if not _present(program)]
    if not missing:
        return
    if not installable():
        raise ClusterError(f"missing programs of the packages {missing}: install them, then try again")
    say(f"installing Debian packages: {' '.join(missing)}")
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], env=environment)
    # policy-rc.d would be cleaner; a distribution's containerd that starts is harmless, ours has its own socket.
    run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], env=environment)


def installable() -> bool:
    """Whether we may install Debian packages here."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def cni_folder() -> str:
    """The folder of the CNI plugins: Debian's, else the one that everybody else uses."""
    for folder in CNI_FOLDERS:
        if Path(folder, "ptp").exists():
            return folder
    raise ClusterError(f"no CNI plugins in any of {CNI_FOLDERS}")


def debian_mirror() -> str:
    """The mirror this machine already uses, so that the images' base comes from where its packages come from."""
    chosen = os.environ.get("MODELLOOP_DEBIAN_MIRROR")
    if chosen:
        return chosen
    sources = [*Path("/etc/apt").glob("sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for path in sources:
        for uri in re.findall(r"^(?:URIs:|deb(?: \[.*?\])?)\s+(https?://\S+/debian)/?(?:\s|$)", path.read_text(), re.M):
            return str(uri)
    raise ClusterError("no Debian mirror in /etc/apt; set MODELLOOP_DEBIAN_MIRROR")


def _present(program: str) -> bool:
    if program.startswith("/"):
        return any(Path(folder, Path(program).name).exists() for folder in CNI_FOLDERS)
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
