"""Manifests of Cocos get other addresses, and are the same but for these."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.manifests.cocos_addresses import readdressed, text_at, without_files

URLS = {"packageUrl": "https://a/v/1/", "remoteVersionUrl": "https://a/version"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = st.text() | st.sampled_from([*URLS, "assets", "searchPaths", "version"])


def test_only_the_addresses_are_other_bytes():
    text = (
        '\n{ "pack\\u0061geUrl" : "old" ,"version":"1.0.0", "x" : 1.50,\t"ü":'
        ' "\\u00fc", "assets": {"a, }": {"packageUrl": "no \\" address"}},\n'
        '"remoteVersionUrl":{} }\n'
    )
    assert readdressed(text, URLS) == (
        '\n{ "pack\\u0061geUrl" : "https://a/v/1/" ,"version":"1.0.0", "x" : 1.50,\t'
        '"ü": "\\u00fc", "assets": {"a, }": {"packageUrl": "no \\" address"}},\n'
        '"remoteVersionUrl":"https://a/version" }\n'
    )


def test_addresses_that_are_missing_are_added():
    assert readdressed(' { "version": "1"}', URLS) == (
        ' {"packageUrl":"https://a/v/1/","remoteVersionUrl":"https://a/version",'
        ' "version": "1"}'
    )


@settings(deadline=None)
@given(st.dictionaries(NAMES, JSON), st.sampled_from([None, 1]), st.booleans())
def test_any_manifest_keeps_its_values_and_their_order(values, indent, ascii_only):
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    found = json.loads(readdressed(text, URLS))
    assert found == {**values, **URLS}
    assert [name for name in found if name in values] == list(values)
    rest = {k: v for k, v in values.items() if k not in ("assets", "searchPaths")}
    assert json.loads(without_files(text)) == rest


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1, "b": "x"}', "x"),
        ('{"b": 1}', None),
        ("{}", None),
        ('{"c":"x"}', None),
    ],
)
def test_a_text_is_found_by_its_name(text, found):
    assert text_at(text, "b") == found
