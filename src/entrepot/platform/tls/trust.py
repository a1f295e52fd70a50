"""How clients are told to trust our own authority: the commands, ready to be run."""

import shlex
from pathlib import Path

import msgspec


class Step(msgspec.Struct, frozen=True):
    """What one kind of client needs; `note` says what the commands do not."""

    client: str
    commands: list[str]
    note: str = ""


def steps(authority: Path, address: str) -> list[Step]:
    """Return what makes clients trust `authority` at `address`, which is HOST:PORT as they write it before an image's name."""
    file = shlex.quote(str(authority))
    containerd = f"/etc/containerd/certs.d/{address}"
    hosts = f'server = "https://{address}"\\n\\n[host."https://{address}"]\\n  ca = "{containerd}/ca.crt"\\n'
    name = f"entrepot-{address.translate(str.maketrans(':[].', '----'))}.crt"

    def install(target: str) -> str:
        return f"sudo install -D -m 644 {file} {shlex.quote(target)}"

    return [
        Step("Docker", [install(f"/etc/docker/certs.d/{address}/ca.crt")]),
        Step("podman, skopeo, buildah", [install(f"/etc/containers/certs.d/{address}/ca.crt")]),
        Step(
            "containerd",
            [install(f"{containerd}/ca.crt"), f"printf '{hosts}' | sudo tee {shlex.quote(f'{containerd}/hosts.toml')}"],
            'its config.toml must have config_path = "/etc/containerd/certs.d"; ctr takes --hosts-dir /etc/containerd/certs.d',
        ),
        Step(
            "everything on Debian or Ubuntu",
            [install(f"/usr/local/share/ca-certificates/{name}"), "sudo update-ca-certificates"],
        ),
        Step(
            "everything on Fedora or RHEL",
            [install(f"/etc/pki/ca-trust/source/anchors/{name}"), "sudo update-ca-trust"],
        ),
    ]
