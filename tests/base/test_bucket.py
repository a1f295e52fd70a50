"""Taking the address of a bucket apart, and what is said of one that is mistyped."""

import pytest

from entrepot.base.bucket import Bucket, parse_bucket
from entrepot.base.settings import SettingRefused, find

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://images", Bucket("images")),
        ("s3://images/", Bucket("images")),
        ("s3://images/one/two/", Bucket("images", "one/two/")),
        ("s3://images/my.blobs", Bucket("images", "my.blobs/")),
        ("s3://a.b/x?region=eu-central-1", Bucket("a.b", "x/", region="eu-central-1", style="path")),
        ("s3://images?endpoint=http://s3.here:9000/", Bucket("images", endpoint="http://s3.here:9000", style="path")),
        ("s3://images?endpoint=https://s3.here&style=host", Bucket("images", endpoint="https://s3.here")),
        ("s3://images?create=true&redirect=off", Bucket("images", create=True, redirect=False)),
        ("s3://images?create=false&redirect=on", Bucket("images", redirect=True)),
        ("s3://images?public_endpoint=https%3A%2F%2Fs3.example", Bucket("images", public_endpoint="https://s3.example")),
    ],
)
def test_an_address_is_taken_apart(text: str, expected: Bucket) -> None:
    assert parse_bucket(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("images", "does not begin with s3://"),
        ("https://images/x", "does not begin with s3://"),
        ("s3:///x", "does not begin with s3://"),
        ("s3://key:secret@images", "credentials do not stand in it"),
        ("s3://Images", "no name of a bucket"),
        ("s3://im", "no name of a bucket"),
        ("s3://images/a//b", "the prefix is none"),
        ("s3://images/a/../b", "the prefix is none"),
        ("s3://images/a%20b", "the prefix is none"),
        ("s3://images/" + "a" * 257, "the prefix is none"),
        ("s3://images/blobs", "another one"),
        ("s3://images/one/quarantine/", "another one"),
        ("s3://images#x", "after a #"),
        ("s3://images?endpoint", "name=value"),
        ("s3://images?endpont=http://x", "'endpont' is no option: there are endpoint"),
        ("s3://images?create=true&create=true", "twice"),
        ("s3://images?create=yes", "create is 'yes', expected true or false"),
        ("s3://images?redirect=true", "redirect is 'true', expected on or off"),
        ("s3://images?style=other", "style is 'other'"),
        ("s3://images?region=EU 1", "region is 'EU 1'"),
        ("s3://images?endpoint=s3.here:9000", "expected http(s)://HOST"),
        ("s3://images?endpoint=http://s3.here/images", "has a path"),
        ("s3://images?endpoint=http://me@s3.here", "credentials do not stand in endpoint"),
        ("s3://images?public_endpoint=http://s3.here:0", "public_endpoint has the port 0"),
        ("s3://images?endpoint=http://s3.here:x", "Port could not be"),
    ],
)
def test_a_mistake_is_told_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(SettingRefused) as refused:
        find({"storage": text}, {}, None)
    assert reason in str(refused.value.facts["expected"])
    assert "expected s3://BUCKET/PREFIX" in refused.value.message


@pytest.mark.parametrize(
    "where", ["endpoint=http://{}@s3.here:9", "public_endpoint=http://{}%40s3.here:x", "endpoint=[{}@", "[{}@"]
)
@pytest.mark.parametrize("start", ["s3://images?", "s3://"])
def test_a_secret_that_does_not_belong_there_is_not_repeated(start: str, where: str) -> None:
    with pytest.raises(SettingRefused) as refused:
        find({"storage": start + where.format("someone:hidden")}, {}, None)
    assert "hidden" not in refused.value.message


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", False),
        ("?public_endpoint=http://x", True),
        ("?public_endpoint=http://x&redirect=off", False),
        ("?redirect=on", True),
    ],
)
def test_a_public_endpoint_redirects_unless_that_is_decided(options: str, *, expected: bool) -> None:
    assert parse_bucket(f"s3://images{options}").redirects is expected
