"""The node's address, the routes of Services, and pods' way out; one bridge and one nft table, both ours alone."""

from pathlib import Path

from .profiles import BRIDGE, NODE, POD_RANGE, SERVICE_RANGE
from .shell import run, say, succeeds

TABLE = "modelloop"
# kube-proxy's own tables; only one kube-proxy can run on a machine, so they are ours while the profile is up.
TABLES = (("ip", TABLE), ("ip", "kube-proxy"), ("ip6", "kube-proxy"))
WANTED = {"net/ipv4/ip_forward": 1, "fs/inotify/max_user_instances": 8192, "fs/inotify/max_user_watches": 524288}
# Pods are routed (ptp), not bridged: only what leaves the box takes its address.
MASQUERADE = f"""
table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {POD_RANGE} ip daddr != {{ {POD_RANGE}, {SERVICE_RANGE}, {NODE.address} }} masquerade
  }}
}}
"""


def up() -> None:
    """Make the address, the routes and the table; a second call changes nothing."""
    for name, value in WANTED.items():
        path = Path("/proc/sys", name)
        if int(path.read_text()) < value:
            path.write_text(str(value))
    if not Path("/sys/class/net", BRIDGE).exists():
        run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "address", "replace", f"{NODE.address}/32", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])
    # Service traffic that kube-proxy does not (yet) know must end here, never on the default route.
    run(["ip", "route", "replace", SERVICE_RANGE, "dev", BRIDGE, "src", NODE.address])
    run(["nft", "-f", "-"], stdin=MASQUERADE)
    # Mounts made for one pod must be seen by others (volumes, network namespaces).
    run(["mount", "--make-rshared", "/"])


def down() -> None:
    """Remove what `up` and kube-proxy made; pods' links went with their namespaces."""
    for family, table in TABLES:
        succeeds(["nft", "delete", "table", family, table])
    if Path("/sys/class/net", BRIDGE).exists():
        run(["ip", "link", "delete", BRIDGE])
    if succeeds(["conntrack", "-D", "-s", POD_RANGE]):
        say("  dropped tracked connections of pods")


def leftovers() -> list[str]:
    """What of it still exists, for `down` to complain about."""
    tables = run(["nft", "list", "tables"])
    left = [f"nft table {family} {name}" for family, name in TABLES if f"table {family} {name}\n" in tables]
    if Path("/sys/class/net", BRIDGE).exists():
        left.append(f"interface {BRIDGE}")
    routes = run(["ip", "route", "show"]).splitlines()
    left += [f"route {route}" for route in routes if route.startswith((SERVICE_RANGE, "10.244."))]
    return left
