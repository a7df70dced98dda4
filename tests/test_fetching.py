"""Whom ``fetch`` may connect to."""

from __future__ import annotations

import pytest

from torpor.authority import Authority
from torpor.errors import NotAllowedError
from torpor.fetching import allowed_address

PUBLIC = "93.184.215.14"


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.0.0.5",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.1",
            "224.0.0.1",
        ),
        *("::1", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::"),
    ],
)
def test_a_name_does_not_lead_inside(address: str) -> None:
    """Not with one of its addresses among others, and not by a pattern that fits the address."""
    for allow in (["host//example.com"], ["host//*"]):
        with pytest.raises(NotAllowedError, match="is not a public one; if it shall, name the address too"):
            allowed_address([PUBLIC, address], "example.com", 80, Authority(allow))


def test_an_address_that_is_named_may_be_connected_to() -> None:
    """Itself, or at one port."""
    assert allowed_address(["10.0.0.5"], "shop", 80, Authority(["host//shop", "host//10.0.0.5"])) == "10.0.0.5"
    assert allowed_address(["10.0.0.5"], "shop", 80, Authority(["host//10.0.0.5:80"])) == "10.0.0.5"
    with pytest.raises(NotAllowedError):
        allowed_address(["10.0.0.5"], "shop", 81, Authority(["host//10.0.0.5:80"]))
    assert allowed_address([PUBLIC], "example.com", 80, Authority(["host//example.com"])) == PUBLIC


def test_hosts_are_matched_as_names() -> None:
    """Whatever their case; ``*`` stands for any characters, and nothing is allowed by default."""
    assert not Authority().allows_host("example.com", 443)
    authority = Authority(["host//*.Example.com", "host//one.org:8080"])
    assert authority.allows_host("API.example.com", 443)
    assert not authority.allows_host("example.com", 443)
    assert not authority.allows_host("api.example.com.evil.org", 443)
    assert authority.allows_host("one.org", 8080)
    assert not authority.allows_host("one.org", 80)
