"""The address of the mail server, taken apart."""

import pytest

from entrepot.base.mailing import SmtpServer, SmtpUnreadable, parse_address, parse_smtp
from entrepot.base.settings import SettingRefused, find

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smtp://mail.example.com", SmtpServer("mail.example.com", 587, "starttls")),
        ("smtp://u%40x:p%2Fw@mail.example.com:25", SmtpServer("mail.example.com", 25, "starttls", "u@x", "p/w")),
        ("smtps://u:p@[::1]", SmtpServer("::1", 465, "implicit", "u", "p")),
        ("smtp://localhost:25?tls=none", SmtpServer("localhost", 25, "none")),
        ("smtp://relay/?ca=/etc/ca.pem", SmtpServer("relay", 587, "starttls", ca="/etc/ca.pem")),
    ],
)
def test_an_address_is_taken_apart(text: str, expected: SmtpServer) -> None:
    assert parse_smtp(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://host/path",
        "smtp://host:port",
        "smtp://host:99999",
        "smtp://host?tls=maybe",
        "smtps://host?tls=none",
        "smtp://u:p@host?tls=none",
        "smtp://host?verify=no",
    ],
)
def test_what_is_no_address_of_a_server_is_refused(text: str) -> None:
    with pytest.raises(SmtpUnreadable):
        parse_smtp(text)


def test_the_setting_says_why_and_does_not_repeat_the_password() -> None:
    with pytest.raises(SettingRefused) as refused:
        find({}, {"ENTREPOT_SMTP": "smtp://ann:hunter2@host?tls=none"}, None)
    assert "tls=none" in refused.value.message
    assert "hunter2" not in refused.value.message


def test_a_server_needs_an_address_to_send_from() -> None:
    with pytest.raises(SettingRefused) as refused:
        find({"smtp": "smtp://host"}, {}, None)
    assert "mail-from" in refused.value.message
    with pytest.raises(SettingRefused):
        find({"mail_from": "Hub <hub@example.com>"}, {}, None)
    assert find({"smtp": "smtp://host", "mail_from": "hub@example.com"}, {}, None).settings.smtp == "smtp://host"


def test_an_address_of_mail_is_kept_in_lower_case() -> None:
    assert parse_address("Ann@Example.com") == "ann@example.com"
