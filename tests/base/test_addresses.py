"""Which clients count as one."""

import pytest

from entrepot.base.addresses import in_networks, network_of, shortened, spelled


@pytest.mark.fast
@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("?", "?"),
        ("", ""),
    ],
)
def test_an_ipv4_address_counts_for_itself_and_an_ipv6_one_for_its_64(client: str, network: str) -> None:
    assert network_of(client) == network


@pytest.mark.fast
@pytest.mark.parametrize(
    ("client", "kept"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("?", "?"),
    ],
)
def test_of_an_address_a_24_or_a_48_is_kept_for_long(client: str, kept: str) -> None:
    assert shortened(client) == kept


@pytest.mark.fast
@pytest.mark.parametrize(
    ("client", "networks", "within"),
    [
        ("10.1.2.3", ("10.0.0.0/8",), True),
        ("11.0.0.0", ("10.0.0.0/8",), False),
        ("10.255.255.255", ("192.0.2.0/24", "10.0.0.0/8"), True),
        ("::ffff:10.1.2.3", ("10.0.0.0/8",), True),
        ("::ffff:10.1.2.3", ("::/0",), False),
        ("2001:db8::1", ("2001:db8::/32",), True),
        ("2001:db9::", ("2001:db8::/32", "0.0.0.0/0"), False),
        ("fe80::1%eth0", ("fe80::/10",), True),
        ("anything", (), True),
        ("anything", ("0.0.0.0/0", "::/0"), False),
        ("10.1.2", ("10.0.0.0/8",), False),
        ("010.1.2.3", ("10.0.0.0/8",), False),
        ("10.1.2.3\0", ("10.0.0.0/8",), False),
    ],
)
def test_an_address_is_in_a_network_or_not(client: str, networks: tuple[str, ...], *, within: bool) -> None:
    assert in_networks(client, networks) is within


@pytest.mark.fast
@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2", ""),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_an_address_has_one_spelling(text: str, spelling: str) -> None:
    assert spelled(text) == spelling
