"""`entrepot tls`: what it says of each kind of certificate, and when there is none."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.certificates import Authority, serial_of
from support.commands import run
from support.instance import Instance


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "there is no certificate: --tls is not set"),
        (("--tls", "self-signed"), "`entrepot serve --tls self-signed` makes it at its first start in this data folder"),
        (("--tls", "/none.pem"), "HTTPS cannot be served with /none.pem: No such file or directory"),
    ],
)
def test_without_a_certificate_it_says_why_and_makes_nothing(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = run("tls", "--data", str(tmp_path), *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_of_yours_is_shown_without_anything_to_trust(tmp_path: Path) -> None:
    certificate, key = Authority.make(tmp_path / "authority").sign("shown")
    words = ("--tls", str(certificate), "--tls-key", str(key))
    told = json.loads(run("tls", "--json", *words).stdout)
    assert told["names"] == ["localhost", "127.0.0.1"]
    assert int(told["serial"], 16) == serial_of(certificate.read_bytes())
    assert (told["authority"], told["trust"]) == ("", [])
    text = run("tls", *words).stdout
    assert text == f"The certificate {told['serial']} is for localhost, 127.0.0.1, valid until {told['valid_until']}.\n"


def test_a_log_of_json_says_where_the_authority_is_and_stays_json(serve: Callable[..., Instance]) -> None:
    instance = serve(tls="self-signed", log_format="json", jobs="none")
    lines = [json.loads(line) for line in instance.log.read_text("utf-8").splitlines()]
    [told] = [line for line in lines if line["event"] == "authority_to_trust"]
    assert told["file"] == str(instance.data / "tls" / "ca.crt")


@pytest.mark.parametrize(
    ("listen", "public_url", "address"),
    [
        ("127.0.0.1:5000", "", "localhost:5000"),
        ("10.1.2.3:5000", "", "10.1.2.3:5000"),
        ("0.0.0.0:5000", "https://hub.example", "hub.example"),
        ("127.0.0.1:5000", "https://hub.example:8443", "hub.example:8443"),
    ],
)
def test_the_commands_name_the_address_as_clients_do(
    serve: Callable[..., Instance], tmp_path: Path, listen: str, public_url: str, address: str
) -> None:
    instance = serve(tls="self-signed", jobs="none")
    words = ["--data", str(instance.data), "--tls", "self-signed", "--listen", listen, "--public-url", public_url]
    trust = {step["client"]: step["commands"] for step in json.loads(run("tls", "--json", *words).stdout)["trust"]}
    file = instance.data / "tls" / "ca.crt"
    assert trust["Docker"] == [f"sudo install -D -m 644 {file} /etc/docker/certs.d/{address}/ca.crt"]
    assert f'server = "https://{address}"' in trust["containerd"][1]
    assert tmp_path in file.parents
