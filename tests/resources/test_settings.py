"""What the engine's settings may be."""

import pytest

from resources.errors import InputError
from resources.settings import read_settings

CDN = {"RESOURCE_PUBLIC_URL": "https://cdn.example.com/games/"}


def public_url(environment, platform="ios"):
    settings = read_settings(environment, source=None, store=None)
    return settings.public_url(platform)


def test_players_find_a_platform_beneath_the_public_address():
    assert public_url(CDN) == "https://cdn.example.com/games/ios"


def test_a_platform_may_have_a_public_address_of_its_own():
    own = {**CDN, "RESOURCE_PUBLIC_URL_FACEBOOK": "http://fb.example.com:8080"}
    assert public_url(own, "facebook") == "http://fb.example.com:8080/facebook"
    assert public_url(own) == "https://cdn.example.com/games/ios"


def test_without_a_public_address_the_setting_is_named():
    with pytest.raises(InputError, match="RESOURCE_PUBLIC_URL is not set: the address"):
        public_url({})


@pytest.mark.parametrize(
    "url",
    [
        "cdn.example.com/games",
        "ftp://cdn.example.com",
        "https://",
        "https:///games",
        "https://cdn.example.com/?a=1",
        "https://cdn.example.com/#a",
        "https://user@cdn.example.com",
        "https://cdn.example.com:port",
        "https://cdn.example.com/ü",
        "https://[cdn",
        "https://cdn.example.com/a b",
        "https://cdn.example.com/\n",
    ],
)
def test_what_is_no_public_address_is_refused_with_a_right_one(url):
    with pytest.raises(InputError) as refused:
        public_url({"RESOURCE_PUBLIC_URL": url})
    assert str(refused.value) == (
        f"RESOURCE_PUBLIC_URL: {url}: write the address at which players find the"
        " store, as https://cdn.example.com/games"
    )
