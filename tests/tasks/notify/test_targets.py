"""Which addresses a webhook may send to."""

import ipaddress

import pytest

from resource_sync.environment import allowed_targets
from tasks.notify.targets import Refused, addresses_of, is_allowed, target_of

PRIVATE = [
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1"),
    *("192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1"),
    *("fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "64:ff9b::a00:1"),
    *("64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1"),
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("text", PRIVATE)
def test_private_and_reserved_addresses_are_refused(text):
    assert not is_allowed(ipaddress.ip_address(text), [])


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_not(text):
    assert is_allowed(ipaddress.ip_address(text), [])


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "https://127.0.0.1:8443/x", "http://[::1]/"),
        *("http://localhost/", "http://127.1/", "http://2130706433/"),
        *("http://0x7f000001/", "http://0177.0.0.1/", "http://[::ffff:127.0.0.1]/"),
        *("http://169.254.169.254/latest/meta-data", "http://127.0.0.1./"),
    ],
)
def test_each_way_to_write_an_own_address_is_refused(url, settings):
    settings.WEBHOOK_ALLOW = []
    with pytest.raises(Refused) as refused:
        addresses_of(target_of(url), 10)
    assert refused.value.reason.code == "webhook-address-refused"


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "//example.com/", "ftp://example.com/", "https://"),
        *("file:///etc/passwd", "https://exa mple.com/", "https://example.com:0/"),
        *("https://example.com:99999/", "https://example.com/#part", "https:///x"),
        *("http://example.com/\r\nHost: x", "http://example.com\\@127.0.0.1/"),
        *("https://münchen.example/", "gopher://127.0.0.1/", "http://[::1/"),
    ],
)
def test_what_is_no_plain_url_is_refused(url):
    with pytest.raises(Refused) as refused:
        target_of(url)
    assert refused.value.reason.code == "webhook-url-not-understood"


def test_a_url_holds_no_name_and_password():
    with pytest.raises(Refused, match="no name and password"):
        target_of("https://someone:secret@example.com/")


def test_a_url_is_not_longer_than_what_is_stored():
    with pytest.raises(Refused, match="Too long"):
        target_of("https://example.com/" + "x" * 2_000)


def test_networks_and_names_are_allowed_by_the_setting(settings):
    settings.WEBHOOK_ALLOW = allowed_targets("127.0.0.0/8, fd00::/8")
    assert addresses_of(target_of("http://127.0.0.1/"), 10)
    assert not is_allowed(ipaddress.ip_address("10.0.0.1"), settings.WEBHOOK_ALLOW)
    settings.WEBHOOK_ALLOW = allowed_targets("localhost")
    assert addresses_of(target_of("http://localhost/"), 10)
    with pytest.raises(Refused):
        addresses_of(target_of("http://127.0.0.1/"), 10)
    settings.WEBHOOK_ALLOW = allowed_targets(".localhost")
    assert addresses_of(target_of("http://localhost/"), 10)


@pytest.mark.parametrize("text", ["10.0.0.0/99", "10.0.0.1/8", "http://x/", "a b", "-"])
def test_a_setting_that_is_no_list_of_them_is_refused(text):
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        allowed_targets(text)


def test_a_name_that_is_not_known_says_so():
    with pytest.raises(Refused) as refused:
        addresses_of(target_of("http://no-such-host.invalid/"), 30)
    assert refused.value.reason.code == "webhook-not-resolved"
