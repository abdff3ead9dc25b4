"""Where people open the pages."""

import pytest

from tasks.own_url import own_url


@pytest.mark.parametrize(
    ("host", "https", "allowed", "expected"),
    [
        ("127.0.0.1", False, ["localhost", "127.0.0.1"], "http://127.0.0.1:3000"),
        ("0.0.0.0", False, ["localhost", "127.0.0.1"], "http://127.0.0.1:3000"),
        ("::1", False, ["[::1]", "::1"], "http://[::1]:3000"),
        ("0.0.0.0", False, ["sync.example.com"], "http://sync.example.com:3000"),
        ("127.0.0.1", True, ["sync.example.com"], "https://sync.example.com"),
        ("127.0.0.1", False, ["*"], "http://127.0.0.1:3000"),
    ],
)
def test_the_printed_url_is_one_that_is_answered(
    settings, host, https, allowed, expected
):
    settings.HOST, settings.PORT, settings.HTTPS = host, 3000, https
    settings.ALLOWED_HOSTS = allowed
    assert own_url() == expected
