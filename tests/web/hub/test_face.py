"""The hub's own face: its name, logo, colour and texts, and what search engines are told."""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from entrepot.app.face import FaceUnusable, read_files
from entrepot.app.parts import Accounts
from entrepot.base.colours import ENOUGH, AccentUnreadable, accent, contrast
from entrepot.base.pictures import PictureUnknown, sniffed
from entrepot.base.settings import Settings
from support.accounts import PASSWORD, with_accounts
from support.browsing import Browser
from support.inside import Inside, inside
from support.parts import prepared

_PAPER: Final = (242, 243, 239)
_NIGHT: Final = (17, 20, 22)


def png(width: int = 40, height: int = 20) -> bytes:
    """Return a picture as PNG has it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes(width) for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


JPEG: Final = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc0\x00\x11\x08\x00\x14\x00\x28" + bytes(20)
LOSSY: Final = b"RIFF\0\0\0\0WEBPVP8 " + bytes(10) + b"\x28\x00\x14\x00" + bytes(8)
EXTENDED: Final = b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\x27\0\0\x13\0\0" + bytes(8)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("content", "kind"), [(png(), "png"), (JPEG, "jpeg"), (LOSSY, "webp"), (EXTENDED, "webp")], ids=lambda each: str(each)[:8]
)
def test_pictures_are_known_by_their_first_bytes(content: bytes, kind: str) -> None:
    assert sniffed(content) == (f"image/{kind}", 40, 20)
    for end in range(len(content) - 1):
        try:
            sniffed(content[:end])
        except PictureUnknown:
            continue


@pytest.mark.fast
@pytest.mark.parametrize("text", ["#23479d", "#17663f", "#8a1c4a", "#000000", "#4b3b00"])
def test_an_accent_can_be_read_on_light_and_dark_pages(text: str) -> None:
    def parsed(colour: str) -> tuple[int, int, int]:
        return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:], 16)

    family = accent(text)
    for place, ground in ((0, _PAPER), (1, _NIGHT)):
        plain, strong, soft, on = (parsed(pair[place]) for pair in family)
        for one, other in ((plain, ground), (strong, ground), (plain, soft), (on, plain), (on, strong)):
            assert contrast(one, other) >= ENOUGH, (text, place)


@pytest.mark.fast
@pytest.mark.parametrize("text", ["#ffcc00", "#ffffff", "blue", "#12345", "#1234567", "#23479d;}"])
def test_a_colour_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(AccentUnreadable):
        accent(text)


@pytest.mark.fast
def test_files_that_cannot_be_shown_are_refused_with_the_reason(tmp_path: Path) -> None:
    for setting, content, reason in (
        ("hub_logo", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG is not shown"),
        ("hub_logo", png() + bytes(300_000), "more than 256 KiB"),
        ("hub_logo", png(2001, 2), "2000 are the most"),
        ("hub_logo", b"", "empty"),
        ("terms", b"\xff\xfe", "not UTF-8"),
        ("privacy", b"x" * 200_000, "more than 100 KiB"),
    ):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(FaceUnusable, match=reason):
            read_files(msgspec.structs.replace(Settings(), **{setting: str(tmp_path / "file")}))
    with pytest.raises(FaceUnusable, match="No such file"):
        read_files(Settings(legal_notice=str(tmp_path / "none")))


def served(folder: Path, **settings: Any) -> Iterator[Inside]:
    place = prepared(folder / "data", "")

    async def people(who: Accounts) -> None:
        await who.users.add("root", PASSWORD, is_admin=True)

    with_accounts(place, people)
    with inside(place, **settings) as hub:
        yield hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """A hub with a face of its own."""
    folder = tmp_path_factory.mktemp("face")
    (folder / "logo").write_bytes(png())
    (folder / "notice").write_text("# Who we are\n\n<script>x()</script> **Dock & Co**", "utf-8")
    about = {"hub_name": 'Dock "7" & Co', "hub_logo": str(folder / "logo"), "accent": "#17663f"}
    yield from served(folder, **about, legal_notice=str(folder / "notice"))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    yield from served(tmp_path_factory.mktemp("closed"), anonymous="none")


def test_every_page_has_the_name_the_logo_and_the_colour(hub: Inside) -> None:
    browser = Browser(hub)
    for path in ("/", "/search", "/sign-in", "/no-such-page"):
        content = browser.get(path).content.decode()
        assert "Dock &#34;7&#34; &amp; Co</title>" in content, path
    sheet, logo = (re.findall(rf'"(/static/[0-9a-f]+/{name})"', content)[0] for name in ("accent.css", "logo"))
    assert b"--bleu: light-dark(#17663f, " in browser.get(sheet).content
    picture = browser.get(logo)
    assert (picture.headers["content-type"], picture.content[:4]) == ("image/png", b"\x89PNG")
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert browser.get("/static/000000000000/logo").status == 404


def test_texts_of_the_owner_are_shown_and_do_nothing(hub: Inside) -> None:
    browser = Browser(hub)
    assert "/legal" in browser.see("/").links
    found = browser.see("/legal?lang=fr")
    assert (found.status, "Dock & Co" in found.text, "Mentions" in found.title) == (200, True, True)
    assert b"<script>x()" not in browser.get("/legal").content
    assert [browser.see(path).status for path in ("/terms", "/privacy")] == [404, 404]
    assert "/terms" not in browser.see("/").links


def test_search_engines_are_told_what_is_nobodys_page(hub: Inside, closed: Inside) -> None:
    browser, shut = Browser(hub), Browser(closed)
    robots = browser.get("/robots.txt", accept="*/*")
    assert (robots.status, robots.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    lines = robots.content.decode().splitlines()
    assert {"Disallow: /search", "Disallow: /me", "Disallow: /admin", "Disallow: /orgs/"} < set(lines)
    assert "Disallow: /" not in lines
    assert shut.get("/robots.txt", accept="*/*").content == b"User-agent: *\nDisallow: /\n"
    first, noindex = browser.get("/").content, b'<meta name="robots" content="noindex">'
    assert (b'property="og:site_name"' in first, noindex in first) == (True, False)
    assert noindex in shut.get("/").content
    assert b"og:" not in shut.get("/").content
    for path in ("/search", "/search?q=x", "/sign-in", "/no-such-page"):
        assert noindex in browser.get(path).content, path
    assert noindex in Browser(hub, "root").get("/admin").content
