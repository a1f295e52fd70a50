"""Words: what is meant by what somebody typed, by which words a name is found, and how far two words lie apart."""

import pytest

from entrepot.domain.search.words import LONGEST_QUERY, Asked, fold, read, slips, words_of, words_of_name

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("typed", "words", "whole", "tag"),
    [
        ("nginx", ("nginx",), ("nginx",), ""),
        ("  NGINX ", ("nginx",), ("nginx",), ""),
        ("library/nginx", ("library", "nginx"), ("nginx",), ""),
        ("bitnami/nginx", ("bitnami", "nginx"), ("bitnami/nginx",), ""),
        ("nginx:1.25-alpine", ("nginx",), ("nginx",), "1.25-alpine"),
        ("a/b/c:v1", ("a", "b", "c"), ("a/b/c",), "v1"),
        ("web server", ("web", "server"), (), ""),
        ("serveur de base de données", ("serveur", "de", "base", "donnees"), (), ""),
        ("docker pull nginx:1.25", ("nginx",), ("nginx",), "1.25"),
        ("sudo docker image pull localhost:5000/team/app:v2", ("team", "app"), ("team/app",), "v2"),
        ("podman pull hub.example.com/team/app", ("team", "app"), ("team/app",), ""),
        ("podman search hub.example.com/app", ("app",), ("app",), ""),
        ("docker run nginx", ("nginx",), ("nginx",), ""),
        ("docker", ("docker",), ("docker",), ""),
        ("docker pull", ("docker", "pull"), (), ""),
        ("docker run-time", ("docker", "run", "time"), (), ""),
        ("localhost/app", ("app",), ("app",), ""),
        ("127.0.0.1:5000/app", ("app",), ("app",), ""),
        ("https://hub.example.com/r/team/app", ("team", "app"), ("team/app",), ""),
        ("https://hub.example.com/_/nginx", ("nginx",), ("nginx",), ""),
        ("docker://hub.example.com/team/app:v1", ("team", "app"), ("team/app",), "v1"),
        ("/nginx/", ("nginx",), ("nginx",), ""),
        ("node.js", ("node", "js"), ("node.js",), ""),
        ("c++", ("c",), ("c++",), ""),
        ("", (), (), ""),
        ("   ", (), (), ""),
        ("///", (), (), ""),
        ("-_.", (), ("-_.",), ""),
        ("a:b:c", ("a", "b", "c"), ("a:b:c",), ""),
    ],
)
def test_what_somebody_means(typed: str, words: tuple[str, ...], whole: tuple[str, ...], tag: str) -> None:
    asked = read(typed)
    assert (asked.words, asked.whole, asked.tag, asked.digest) == (words, whole, tag, "")


@pytest.mark.parametrize("typed", [DIGEST, f"docker pull {DIGEST}", f"  {DIGEST}"])
def test_a_digest_alone_is_looked_for_as_one(typed: str) -> None:
    asked = read(typed)
    assert (asked.words, asked.whole, asked.digest) == ((), (), DIGEST)


@pytest.mark.parametrize("typed", ["team/app@" + DIGEST, "docker pull localhost:5000/team/app:v1@" + DIGEST])
def test_a_digest_behind_a_name_is_told_apart(typed: str) -> None:
    asked = read(typed)
    assert (asked.words, asked.whole, asked.digest) == (("team", "app"), ("team/app",), DIGEST)
    assert asked.tag == ("v1" if ":v1" in typed else "")


@pytest.mark.parametrize("typed", ["sha256:xyz", "sha256:" + "AB" * 32, "team/app@sha256:12"])
def test_what_is_no_digest_is_none(typed: str) -> None:
    assert read(typed).digest == ""


@pytest.mark.parametrize(
    "typed", ["x" * 100_000, "a " * 50_000, "/" * 5000, "\0", "\ud800", "é" * 400, "\u202e" + "abc", "😀 🐳", "İ" * 50, "ﷺ" * 300]
)
def test_whatever_is_typed_is_read_in_a_moment(typed: str) -> None:
    asked = read(typed)
    assert isinstance(asked, Asked)
    assert len(asked.text) <= LONGEST_QUERY
    assert len(asked.words) <= 12
    assert all(0 < len(word) <= 60 for word in asked.words)


def test_words_that_come_twice_are_looked_for_once() -> None:
    assert words_of("Web web WEB sérvér server") == ("web", "server")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nginx", {"nginx"}),
        ("nginx-proxy-manager", {"nginx", "proxy", "manager", "nginxproxymanager"}),
        ("mysql8", {"mysql8", "mysql", "8"}),
        ("python3.11_slim", {"python3", "python", "3", "11", "slim", "python311slim"}),
        ("a/b", {"a", "b", "ab"}),
        ("h2o", {"h2o", "h", "2", "o"}),
        ("", set()),
    ],
)
def test_a_name_is_found_by_its_parts_cut_at_separators_and_digits(name: str, words: set[str]) -> None:
    found = words_of_name(name)
    assert (set(found), len(found)) == (words, len(words))


def test_a_text_is_folded() -> None:
    assert fold("Éà Ç ﬁ ÆØ ß") == "ea c fi æø ß"


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ("nginx", "nginx", 0),
        ("ngnix", "nginx", 1),  # swapped
        ("nginz", "nginx", 1),  # another one
        ("ngix", "nginx", 1),  # missing
        ("nginxx", "nginx", 1),  # too many
        ("ngnxi", "nginx", 2),
        ("postgers", "postgres", 1),
        ("", "ab", 2),
        ("abc", "xyz", 3),
        ("a", "abcdefgh", 3),  # more than are counted
    ],
)
def test_slips_are_counted(one: str, other: str, count: int) -> None:
    assert slips(one, other, 2) == slips(other, one, 2) == count
