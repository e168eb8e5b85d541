"""The command line: `python -m hack.cluster VERB`."""

import argparse
import sys

from . import backends, binaries, local, owner
from .owner import Owner
from .profiles import HOMES, PROFILES, ClusterError, Profile

VERBS = {
    "up": "bring the cluster up, or heal it",
    "down": "take it down and leave nothing",
    "status": "what runs",
    "images": "build the project's images and import them",
    "ingress": "bring an Ingress controller in and print its URL",
    "kubeconfig": "print the kubeconfig's path",
    "env": "print what a shell or a test needs to use it",
    "build": "build the binaries only",
    "start": "start one stopped server",
    "stop": "stop one server (for chaos tests)",
    "watch": "take a cluster down when its owner ends (started by up --owner-pid)",
}
OWNED = {
    "up": "unless it is up already, take it down when process N ends",
    "down": "only if it was brought up for process N",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; a ClusterError becomes a message and exit code 1, never a traceback."""
    options = _parser().parse_args(arguments)
    try:
        _obey(options, PROFILES[options.profile])
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _obey(options: argparse.Namespace, profile: Profile) -> None:
    match options.verb:
        case "build":
            print(binaries.build())
        case "start":
            local.start(profile, options.server)
        case "stop":
            local.stop(profile, options.server)
        case "watch":
            owner.watch(HOMES[options.home], backends.of(HOMES[options.home]).down)
        case _:
            _obey_backend(options, backends.choose(profile))


def _obey_backend(options: argparse.Namespace, backend: backends.Backend) -> None:
    match options.verb:
        case "up":
            backend.up(_owner(options))
            print(backends.shell_lines(backend.environment()))
        case "down":
            backend.down(_owner(options))
        case "status":
            print(backend.status())
        case "images":
            backend.images()
        case "ingress":
            print(backend.ingress())
        case "kubeconfig":
            print(backend.environment()["KUBECONFIG"])
        case "env":
            print(
                backends.as_json(backend.environment()) if options.json else backends.shell_lines(backend.environment())
            )


def _owner(options: argparse.Namespace) -> Owner | None:
    return None if options.owner_pid is None else Owner.of(options.owner_pid)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hack.cluster",
        description="A Kubernetes for ModelLoop: kind where Docker answers, else one made of plain processes.",
    )
    parser.set_defaults(owner_pid=None)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in VERBS.items():
        command = verbs.add_parser(verb, help=text)
        command.add_argument("--profile", choices=PROFILES, default="node")
        if verb in OWNED:
            command.add_argument("--owner-pid", type=int, metavar="N", help=OWNED[verb])
        if verb == "watch":
            command.add_argument("--home", choices=HOMES, required=True)
        if verb in ("start", "stop"):
            command.add_argument("server", help="such as kube-apiserver, etcd, kubelet")
        if verb == "env":
            command.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
