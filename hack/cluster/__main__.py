"""The command line: `python -m hack.cluster VERB`."""

import argparse
import sys

from . import backends, binaries, local, owner
from .profiles import PROFILES, ClusterError, Profile

VERBS = {
    "up": "bring the cluster up, or heal it",
    "down": "take it down and leave nothing",
    "status": "what runs",
    "images": "build the project's images and import them",
    "kubeconfig": "print the kubeconfig's path",
    "env": "print what a shell or a test needs to use it",
    "build": "build the binaries only",
    "start": "start one stopped server",
    "stop": "stop one server (for chaos tests)",
    "watch": "take the profile down when a process ends (started by up --owner-pid)",
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
            owner.watch(profile, options.owner_pid)
        case _:
            _obey_backend(options, backends.choose(profile))


def _obey_backend(options: argparse.Namespace, backend: backends.Backend) -> None:
    match options.verb:
        case "up":
            backend.up(options.owner_pid)
            print(backends.shell_lines(backend.environment()))
        case "down":
            backend.down()
        case "status":
            print(backend.status())
        case "images":
            backend.images()
        case "kubeconfig":
            print(backend.environment()["KUBECONFIG"])
        case "env":
            print(
                backends.as_json(backend.environment()) if options.json else backends.shell_lines(backend.environment())
            )


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
        if verb in ("up", "watch"):
            command.add_argument(
                "--owner-pid", type=int, required=verb == "watch", help="take it down when this process ends"
            )
        if verb in ("start", "stop"):
            command.add_argument("server", help="such as kube-apiserver, etcd, kubelet")
        if verb == "env":
            command.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
