"""What a store's URL says of how its server is asked."""

import pytest

from resources.errors import InputError
from resources.stores.bucket.location import read_location
from resources.stores.bucket.profiles import Abilities

KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
OSS = "https://oss-cn-hangzhou.aliyuncs.com"
LEAST = Abilities("virtual", conditions=False, checksums=False, bulk_delete=False)


def read(url, endpoint="", **environment):
    return read_location(url, {**KEYS, "AWS_ENDPOINT_URL": endpoint, **environment})


def test_without_a_profile_nothing_changes():
    location = read("s3://games/x", "http://192.0.2.1:9000")
    assert location.abilities == Abilities("path")
    assert location.endpoint == "http://192.0.2.1:9000"
    # A server's name alone doesn't weaken what two publishers are promised.
    assert read("s3://games/x", OSS).abilities == Abilities("path")


@pytest.mark.parametrize(
    ("options", "abilities"),
    [
        ("profile=oss", LEAST),
        ("profile=cos", LEAST),
        ("profile=b2", LEAST._replace(style="path")),
        ("profile=r2", Abilities("path")),
        ("profile=minio", Abilities("path")),
        ("profile=aws", Abilities("virtual")),
        ("profile=oss&conditions=on", LEAST._replace(conditions=True)),
        ("deletes=many&profile=oss", LEAST._replace(bulk_delete=True)),
        ("profile=cos&style=path", LEAST._replace(style="path")),
        ("profile=minio&checksums=off", Abilities(checksums=False)),
        ("style=virtual&conditions=off", Abilities("virtual", conditions=False)),
    ],
)
def test_a_profile_says_all_and_an_option_wins(options, abilities):
    assert read(f"s3://games/x?{options}").abilities == abilities


@pytest.mark.parametrize("endpoint", [OSS, f"{OSS}/", "https://games." + OSS[8:]])
def test_the_bucket_stands_before_the_name_of_the_server(endpoint):
    location = read("s3://games/x?profile=oss", endpoint)
    assert location.endpoint == "https://games.oss-cn-hangzhou.aliyuncs.com"
    assert location.in_style("path").endpoint == OSS
    assert location.in_style("path").in_style("virtual") == location


def test_a_server_may_be_called_as_its_bucket_is():
    location = read("s3://games/x", "https://games.example.com")
    assert location.endpoint == "https://games.example.com"
    assert location.in_style("path") == location


def test_a_server_without_a_name_takes_path_style_only():
    for endpoint in ("http://192.0.2.1:9000", "https://[2001:db8::1]:9000"):
        with pytest.raises(InputError, match=r"write \?style=path for a server"):
            read("s3://games/x?profile=oss", endpoint)
        assert read("s3://games/x", endpoint).in_style("virtual") is None


def test_the_librarys_own_variable_still_counts():
    style = {"AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true"}
    assert read("s3://games/x", OSS, **style).abilities.style == "virtual"
    assert read("s3://games/x?profile=b2", OSS, **style).abilities.style == "path"


def test_amazons_certificate_is_not_for_a_bucket_with_a_dot():
    assert read("s3://games.eu/x?profile=aws").abilities.style == "path"
    assert read("s3://games.eu/x?profile=oss").abilities.style == "virtual"
