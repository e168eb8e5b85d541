"""Certificates of one cluster: a CA, the servers' and the clients' pairs, and kubeconfigs made from them."""

import base64
import datetime
import ipaddress
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .profiles import API_SERVICE, NODE_NAME, Profile
from .shell import write

CLIENTS = {
    "admin": ("modelloop-admin", "system:masters"),
    "apiserver-kubelet": ("kube-apiserver-kubelet-client", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", None),
    "kube-scheduler": ("system:kube-scheduler", None),
    "kube-proxy": ("system:kube-proxy", None),
    "kubelet": (f"system:node:{NODE_NAME}", "system:nodes"),
}
API_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


@dataclass(frozen=True)
class Authority:
    """A CA that signs within this process; its key is also kept for the controller manager's signer."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def issue(self, file: str, common_name: str, organization: str | None = None, hosts: tuple[str, ...] = ()) -> None:
        """Write `file`.crt and `file`.key, usable by a client and, with hosts, by a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH][: 2 if hosts else 1]
        builder = _builder(_name(common_name, organization), self.certificate.subject, key)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        _write_pair(self.folder / file, key, builder.sign(self.key, hashes.SHA256()))


def create(profile: Profile) -> None:
    """Make all pairs once; a folder that an earlier run left half-made is made anew."""
    complete = profile.pki / "complete"
    if complete.exists():
        return
    shutil.rmtree(profile.pki, ignore_errors=True)
    profile.pki.mkdir(parents=True, mode=0o700)
    cluster = _authority(profile.pki, "ca")
    hosts = (*API_NAMES, "127.0.0.1", API_SERVICE, profile.address)
    cluster.issue("apiserver", "kube-apiserver", hosts=tuple(dict.fromkeys(hosts)))
    cluster.issue("kubelet-server", f"system:node:{NODE_NAME}", "system:nodes", (NODE_NAME, profile.address))
    for file, (common_name, organization) in CLIENTS.items():
        cluster.issue(file, common_name, organization)
    # etcd and the aggregation layer trust CAs of their own: a cluster certificate must not open either.
    _authority(profile.pki, "etcd-ca").issue("etcd", "etcd", hosts=("localhost", "127.0.0.1"))
    _authority(profile.pki, "front-proxy-ca").issue("front-proxy", "front-proxy-client")
    _write_key(profile.pki / "service-account.key", ec.generate_private_key(ec.SECP256R1()))
    write(complete, "")


def kubeconfig(profile: Profile, client: str, path: Path) -> Path:
    """Write a kubeconfig with the certificates inside, so that the file alone is enough."""
    name = profile.context
    cluster = {"server": profile.server, "certificate-authority-data": _encoded(profile.pki / "ca.crt")}
    user = {
        "client-certificate-data": _encoded(profile.pki / f"{client}.crt"),
        "client-key-data": _encoded(profile.pki / f"{client}.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": client, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": client}}],
    }
    return write(path, yaml.safe_dump(config, sort_keys=False), 0o600)


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _authority(folder: Path, name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"modelloop {name}", None)
    builder = _builder(subject, subject, key).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    certificate = builder.sign(key, hashes.SHA256())
    _write_pair(folder / name, key, certificate)
    return Authority(folder, name, key, certificate)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365))
    )


def _name(common_name: str, organization: str | None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    write(path, pem, 0o600)


def _write_pair(stem: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    _write_key(stem.with_name(f"{stem.name}.key"), key)
    write(stem.with_name(f"{stem.name}.crt"), certificate.public_bytes(serialization.Encoding.PEM))
