"""Who may talk to an open registry: hosts, proxies, and pages of other sites."""

import asyncio
from collections.abc import Iterator

import pytest

from entrepot.web.shared.call import Call
from entrepot.web.shared.gate import HostRefused, MetricsGate, MetricsRefused, OpenGate, is_local
from entrepot.web.shared.request_ids import RequestIds
from support.http import Answer, Client
from support.instance import Instance
from support.wire import SAFE, plain_headers

PUBLIC = "hub.example.com:8443"


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance that is known under another name as well."""
    with Instance(tmp_path_factory.mktemp("public") / "data", public_url=f"https://{PUBLIC}") as instance:
        yield instance


@pytest.fixture
def asked(public: Instance) -> Client:
    """A client of that instance."""
    return public.client()


def check_refused(answer: Answer, *words: str) -> None:
    """Check that a request was refused with a sentence that says why."""
    assert (answer.status, answer.error_code) == (403, "DENIED")
    message = answer.json["errors"][0]["message"]
    assert message.startswith("this registry is open to everyone who reaches it")
    assert all(word in message for word in words)
    assert SAFE.items() <= plain_headers(answer).items()


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:5000", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:1", "127.8.9.10:5000", "[::1]", "[::1]:5000"),
        *(PUBLIC, PUBLIC.upper()),
    ],
)
def test_a_request_to_this_machine_or_to_the_public_name_comes_in(asked: Client, host: str) -> None:
    for path in ("/v2/", "/"):
        assert asked.get(path, headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:5000", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost"),
        *("10.0.0.1:5000", "0.0.0.0:5000", "[::]:5000", "[fe80::1]", "169.254.169.254", "192.168.1.1", "2130706433", "127.1"),
        *("hub.example.com", "hub.example.com:443", f"x{PUBLIC}", f"{PUBLIC}.evil", "localhost:x", "localhost@evil.example"),
        *("[", "[]", "[::1", "::1", ":5000", "é", "localhost,evil.example", "[::1]evil"),
        *("[::1%lo]", "[::1%25lo]:5000", "::1%" + "A" * 1000, "127.0.0.1" + "1" * 300),
    ],
)
def test_a_request_to_any_other_name_is_refused(asked: Client, host: str) -> None:
    for path in ("/v2/", "/v2", "/v2/_catalog", "/v2/nothing"):
        check_refused(asked.get(path, headers={"Host": host}), "use localhost, or start it with --public-url")
    page = asked.get("/", headers={"Host": host})
    assert page.status == 403
    assert "--public-url" in page.content.decode()


@pytest.mark.parametrize("path", ["/v2/", "/v2/demo/tags/list", "/"])
@pytest.mark.parametrize("hosts", [("localhost", "evil.example"), ("evil.example", "localhost"), ("localhost", "localhost")])
def test_a_request_with_two_hosts_is_refused(asked: Client, path: str, hosts: tuple[str, str]) -> None:
    first, second = hosts
    answer = asked.raw(f"GET {path} HTTP/1.1\r\nHost: {first}\r\nHost: {second}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"more than one Host header: send one" in answer


@pytest.mark.parametrize(
    ("url", "host", "status"),
    [
        *(("http://hub.example:80", "hub.example", 200), ("http://hub.example", "hub.example:80", 200)),
        *(("https://hub.example:443", "hub.example", 200), ("https://HUB.example", "hub.example:443", 200)),
        *(("https://hub.example", "hub.example:80", 403), ("http://hub.example", "hub.example:443", 403)),
        *(("https://hub.example:8443", "hub.example:443", 403), ("https://hub.example:8443", "hub.example", 403)),
        *(("https://[2001:db8::1]", "[2001:db8::1]:443", 200), ("https://[2001:db8::1]:443", "[2001:db8::1]", 200)),
    ],
)
@pytest.mark.fast
def test_the_port_of_a_scheme_may_be_left_out(url: str, host: str, status: int) -> None:
    gate = OpenGate(url)
    call = Call({"method": "GET", "raw_path": b"/v2/", "headers": [(b"host", host.encode())]}, nothing, RequestIds())
    if status == 200:
        asyncio.run(gate.check(call))
    else:
        with pytest.raises(HostRefused):
            asyncio.run(gate.check(call))


async def nothing() -> dict[str, object]:
    """Receive no body."""
    return {"type": "http.disconnect"}


def test_without_a_public_url_only_this_machines_names_count(client: Client) -> None:
    check_refused(client.get("/v2/", headers={"Host": PUBLIC}), PUBLIC)
    check_refused(client.get("/v2/", headers={"Host": ""}))
    answer = client.raw(b"GET /v2/ HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 403 ")


def test_what_a_proxy_sends_that_says_nothing_of_itself_is_refused(asked: Client) -> None:
    """nginx with nothing but proxy_pass: HTTP/1.0, the upstream's own name as the host, and no header that tells."""
    answer = asked.raw(b"PUT /v2/a/manifests/v1 HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
    assert answer.startswith(b"HTTP/1.0 403 ")
    assert b"only a proxy would speak HTTP/1.0" in answer
    assert asked.raw(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.0 200 ")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_is_refused_before_anything_is_done(asked: Client, method: str) -> None:
    for path in ("/v2/a/manifests/v1", "/v2/a/blobs/uploads/"):
        assert asked.request(method, path, headers={"Host": "evil.example"}).status == 403


@pytest.mark.parametrize(
    "header",
    [
        *("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded"),
        *("X-Forwarded-Anything", "x-forwarded-for", "VIA"),
        *("X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "CF-Ray"),
    ],
)
def test_a_request_that_came_through_a_proxy_is_refused(asked: Client, header: str) -> None:
    for host in ("localhost", PUBLIC):
        check_refused(asked.get("/v2/", headers={"Host": host, header: "x"}), "came through a proxy", header.lower())


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://localhost:1", "http://[", "localhost", "http://"])
def test_a_request_that_a_page_of_another_site_made_is_refused(asked: Client, origin: str) -> None:
    check_refused(asked.get("/v2/", headers={"Host": "localhost:5000", "Origin": origin}), "a page of another site")


def test_a_page_of_our_own_may_ask(asked: Client) -> None:
    for host in ("localhost:5000", "[::1]:5000", PUBLIC):
        assert asked.get("/v2/", headers={"Host": host, "Origin": f"http://{host}"}).status == 200
    assert asked.get("/v2/", headers={"Host": "LocalHost:5000", "Origin": "http://localhost:5000"}).status == 200


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403), ("x", 403)]
)
def test_a_browser_that_says_who_asks_is_believed(asked: Client, site: str, status: int) -> None:
    assert asked.get("/v2/", headers={"Host": "localhost", "Sec-Fetch-Site": site}).status == status


@pytest.mark.parametrize(
    ("method", "path", "mode", "kind", "status"),
    [
        *(("GET", "/", "navigate", "document", 200), ("HEAD", "/r/none/such", "navigate", "document", 404)),
        *(("GET", "/", "navigate", "iframe", 403), ("GET", "/", "no-cors", "image", 403), ("GET", "/", "navigate", "", 403)),
        *(("GET", "/v2/", "navigate", "document", 403), ("POST", "/", "navigate", "document", 403)),
    ],
)
def test_a_link_elsewhere_may_lead_to_a_page_and_to_nothing_else(
    asked: Client, method: str, path: str, mode: str, kind: str, status: int
) -> None:
    said = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": kind, "Accept": "text/html"}
    assert asked.request(method, path, headers={"Host": "localhost", **said}).status == status


def test_headers_of_ordinary_clients_are_let_in(asked: Client) -> None:
    headers = {
        "X-Meta-Source-Client": "docker",
        "Accept-Encoding": "gzip",
        "From": "a@b",
        "Sec-Fetch-Mode": "cors",
        "X-Real": "1",
    }
    assert asked.get("/v2/", headers={"Host": "localhost", "User-Agent": "docker/29", **headers}).status == 200


def test_the_health_of_the_process_is_told_to_whoever_asks(asked: Client) -> None:
    for headers in ({"Host": "10.0.0.1:5000"}, {"Host": "localhost", "X-Forwarded-For": "x"}):
        assert asked.get("/healthz", headers=headers).status == 200
        assert asked.get("/readyz", headers=headers).status == 200


@pytest.mark.fast
@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("localhost", True), ("127.0.0.1", True), ("127.255.255.255", True), ("::1", True), ("[::1]", True)),
        *(("128.0.0.1", False), ("0.0.0.0", False), ("::", False), ("", False), ("localhost.", False), ("example.com", False)),  # noqa: S104 - asked about, not listened on
    ],
)
def test_loopback_is_told_from_everything_else(host: str, *, local: bool) -> None:
    assert is_local(host) is local


@pytest.mark.parametrize(
    ("networks", "client", "allowed"),
    [
        ("", "127.0.0.1", True),
        ("", "127.8.9.1", True),
        ("", "::1", True),
        ("", "::ffff:127.0.0.1", True),
        ("", "10.0.0.1", False),
        ("", "?", False),
        ("10.0.0.0/8", "10.0.0.1", True),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/8", "fd00::1", False),
        ("192.0.2.7, fd00::/8", "fd00::1", True),
        ("192.0.2.7, fd00::/8", "192.0.2.7", True),
        ("192.0.2.7, fd00::/8", "192.0.2.8", False),
    ],
)
@pytest.mark.fast
def test_metrics_are_for_this_machine_and_the_networks_that_were_named(networks: str, client: str, allowed: bool) -> None:  # noqa: FBT001 - a table
    gate = MetricsGate(networks)
    call = Call({"method": "GET", "raw_path": b"/metrics", "headers": [], "client": (client, 1)}, nothing, RequestIds())
    if allowed:
        gate.check(call)
        return
    with pytest.raises(MetricsRefused, match="--metrics-allow"):
        gate.check(call)
