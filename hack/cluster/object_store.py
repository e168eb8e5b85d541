"""versitygw on the node's address: an S3 store whose buckets are folders."""

import secrets
from dataclasses import dataclass

from .binaries import binary
from .processes import Server
from .profiles import Home, Profile
from .shell import listens, write

PORT = 7070
BUCKET = "modelloop"
REGION = "us-east-1"


@dataclass(frozen=True)
class Access:
    """How to reach the store from this machine and from pods."""

    endpoint: str
    pod_endpoint: str
    access_key: str
    secret_key: str

    def environment(self) -> dict[str, str]:
        """The variables that the demo and the tests read."""
        return {
            "MODELLOOP_S3_ENDPOINT": self.endpoint,
            "MODELLOOP_S3_POD_ENDPOINT": self.pod_endpoint,
            "MODELLOOP_S3_BUCKET": BUCKET,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
        }


def keys(home: Home) -> tuple[str, str]:
    """Access key and secret key, drawn at random on first use."""
    path = home.state / "s3-secret"
    if not path.exists():
        write(path, secrets.token_urlsafe(24), 0o600)
    return "modelloop", path.read_text()


def access(profile: Profile) -> Access:
    """The node's own address serves pods and the machine alike."""
    endpoint = f"http://{profile.address}:{PORT}"
    return Access(endpoint, endpoint, *keys(profile))


def server(profile: Profile) -> Server:
    """The store, with one bucket to begin with."""
    data = profile.state / "s3"
    (data / BUCKET).mkdir(parents=True, exist_ok=True)
    found = access(profile)
    secrets_for_it = (("ROOT_ACCESS_KEY_ID", found.access_key), ("ROOT_SECRET_ACCESS_KEY", found.secret_key))
    words = ("--quiet", "--keep-alive", "--region", REGION, "--port", f"{profile.address}:{PORT}", "posix", str(data))
    command = (binary("versitygw"), *words)
    return Server("versitygw", command, lambda: listens(profile.address, PORT), environment=secrets_for_it)
