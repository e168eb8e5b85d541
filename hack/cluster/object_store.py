"""versitygw on the node's address: an S3 store whose buckets are folders."""

import secrets
from dataclasses import dataclass

from .binaries import binary
from .processes import Server
from .profiles import Profile
from .shell import listens, write

PORT = 7070
BUCKET = "modelloop"
REGION = "us-east-1"


@dataclass(frozen=True)
class Access:
    """How to reach the store, from pods and from the machine alike."""

    endpoint: str
    access_key: str
    secret_key: str


def access(profile: Profile) -> Access:
    """The store's address and its keys, drawn at random on first use."""
    path = profile.state / "s3-secret"
    if not path.exists():
        write(path, secrets.token_urlsafe(24), 0o600)
    return Access(f"http://{profile.address}:{PORT}", "modelloop", path.read_text())


def server(profile: Profile) -> Server:
    """The store, with one bucket to begin with."""
    data = profile.state / "s3"
    (data / BUCKET).mkdir(parents=True, exist_ok=True)
    keys = access(profile)
    secrets_for_it = (("ROOT_ACCESS_KEY_ID", keys.access_key), ("ROOT_SECRET_ACCESS_KEY", keys.secret_key))
    words = ("--quiet", "--keep-alive", "--region", REGION, "--port", f"{profile.address}:{PORT}", "posix", str(data))
    command = (binary("versitygw"), *words)
    return Server("versitygw", command, lambda: listens(profile.address, PORT), environment=secrets_for_it)
