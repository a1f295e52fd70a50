"""Which proxy answered, and which of its settings to change. Real ones are in tests/cli/test_doctor*.py."""

import pytest

from entrepot.platform.http.probe import SIZE, Outcome
from entrepot.platform.http.proxies import Answer, proxy_of, remedy
from entrepot.platform.http.verdict import judge

pytestmark = pytest.mark.fast
URL = "https://hub.example"
NGINX_PAGE = b"<html>\r\n<body>\r\n<center><h1>413 Request Entity Too Large</h1></center>\r\n<hr><center>nginx/1.22.1</center>"


@pytest.mark.parametrize(
    ("headers", "body", "proxy"),
    [
        ({"server": "nginx/1.22.1"}, b"", "nginx"),
        ({"server": "openresty"}, b"", "nginx"),
        ({}, NGINX_PAGE, "nginx"),
        ({"server": "Caddy"}, b"", "Caddy"),
        ({"via": "1.1 Caddy"}, b"", "Caddy"),
        ({"server": "Apache/2.4.62 (Debian)"}, b"", "Apache"),
        ({"server": "cloudflare"}, b"", "Cloudflare"),
        ({}, b"Bad Gateway", ""),
        ({}, b'{"told": "nginx is not the one who wrote this"}', ""),
    ],
)
def test_a_proxy_is_known_by_its_headers_or_its_page(headers: dict[str, str], body: bytes, proxy: str) -> None:
    assert proxy_of(Answer(502, headers, body)) == proxy


@pytest.mark.parametrize(
    ("status", "proxy", "settings"),
    [
        (413, "nginx", ["client_max_body_size 0;"]),
        (413, "Caddy", ["request_body max_size"]),
        (413, "Apache", ["LimitRequestBody 0"]),
        (413, "Cloudflare", ["by a name that it does not proxy"]),
        (413, "", ["client_max_body_size", "request_body max_size", "maxRequestBodyBytes"]),
        (408, "nginx", ["client_body_timeout"]),
        (504, "nginx", ["proxy_read_timeout"]),
        (504, "Caddy", ["read_body"]),
        (504, "", ["client_body_timeout", "readTimeout", "read_body"]),
        (502, "nginx", ["proxy_pass"]),
        (502, "", ["loadBalancer", "reverse_proxy"]),
        (500, "nginx", ["proxy_request_buffering off;"]),
    ],
)
def test_the_setting_to_change_is_named(status: int, proxy: str, settings: list[str]) -> None:
    told = remedy(Answer(status, {}, b""), proxy)
    assert all(setting in told for setting in settings), told


def test_a_connection_that_breaks_in_the_body_is_a_time_limit_of_one_of_them() -> None:
    found = judge(URL, Outcome(None, SIZE // 2, 60.0, streamed=True, reason="Connection reset by peer"))
    assert (found.verdict, "broke off after 100 MB of 200" in found.told) == ("error", True)
    assert "readTimeout" in found.advice


def test_a_refusal_of_the_registry_itself_is_told_in_its_words() -> None:
    ours = {"docker-distribution-api-version": "registry/2.0", "server": "nginx"}
    refused = Outcome(Answer(503, ours, b'{"errors": [{"message": "the disk is full"}]}'), 0, 0.1)
    assert judge(URL, refused).told == f"the registry at {URL} refused: the disk is full"
    assert "status 503" in judge(URL, Outcome(Answer(503, ours, b"?"), 0, 0.1)).told
