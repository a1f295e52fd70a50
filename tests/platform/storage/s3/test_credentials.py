"""Where the keys come from, and what is said when they come from nowhere."""

import os
from pathlib import Path

import pytest

from entrepot.base.bucket import Bucket, BucketUnusable
from entrepot.platform.storage.s3.credentials import Credentials
from entrepot.platform.storage.s3.signing import Keys

pytestmark = pytest.mark.fast
FILE = """\
[default]
aws_access_key_id = a
aws_secret_access_key = b%c
[other]
aws_access_key_id=d
aws_secret_access_key=e
aws_session_token=f
"""


def test_variables_come_first_and_the_setting_names_the_region(tmp_path: Path) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t", "AWS_REGION": "eu-west-3"}
    environment["AWS_SHARED_CREDENTIALS_FILE"] = str(tmp_path / "none")
    assert Credentials(Bucket("images"), environment).keys() == Keys("k", "s", "t")
    assert Credentials(Bucket("images"), environment).region == "eu-west-3"
    assert Credentials(Bucket("images", region="eu-west-1"), environment).region == "eu-west-1"
    assert Credentials(Bucket("images"), {**environment, "AWS_REGION": ""}).region == "us-east-1"


@pytest.mark.parametrize(("section", "keys"), [("", Keys("a", "b%c")), ("other", Keys("d", "e", "f"))])
def test_a_file_of_profiles_is_read(tmp_path: Path, section: str, keys: Keys) -> None:
    (tmp_path / "keys").write_text(FILE, "utf-8")
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys"), "AWS_PROFILE": section}
    assert Credentials(Bucket("images"), environment).keys() == keys


def test_a_file_that_was_replaced_is_read_again_and_one_that_is_broken_is_not(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(FILE, "utf-8")
    found = Credentials(Bucket("images"), {"AWS_SHARED_CREDENTIALS_FILE": str(file)}, 0)
    for content, access in ((FILE.replace("= a", "= new"), "new"), ("[nothing]\n", "new"), (FILE, "a")):
        file.write_text(content, "utf-8")
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 1_000_000_000 * len(access)))
        assert found.keys().access == access


@pytest.mark.parametrize(
    ("content", "environment", "told"),
    [
        (None, {}, "there are no credentials: set AWS_ACCESS_KEY_ID"),
        (None, {"AWS_ACCESS_KEY_ID": "k"}, "one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is not set"),
        (FILE, {"AWS_PROFILE": "third"}, "has no third for the profile third"),
        ("[default]\naws_access_key_id=a\n", {}, "has no aws_secret_access_key for the profile default"),
        ("no profiles", {}, "cannot be read as a file of credentials"),
    ],
)
def test_what_lacks_is_told(tmp_path: Path, content: str | None, environment: dict[str, str], told: str) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content, "utf-8")
    with pytest.raises(BucketUnusable) as refused:
        Credentials(Bucket("images"), {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys"), **environment})
    assert told in refused.value.message
    assert "s3://images/" in refused.value.message
