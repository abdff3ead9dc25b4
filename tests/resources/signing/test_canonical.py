"""Canonical JSON, by the samples of RFC 8785."""

import json
import struct

import pytest

from resources.signing.canonical import canonical_json, number_text

# RFC 8785, appendix B: IEEE 754 bits, and the text of them.
NUMBERS = """
0000000000000000 0
8000000000000000 0
0000000000000001 5e-324
8000000000000001 -5e-324
7fefffffffffffff 1.7976931348623157e+308
ffefffffffffffff -1.7976931348623157e+308
4340000000000000 9007199254740992
c340000000000000 -9007199254740992
4430000000000000 295147905179352830000
44b52d02c7e14af5 9.999999999999997e+22
44b52d02c7e14af6 1e+23
44b52d02c7e14af7 1.0000000000000001e+23
444b1ae4d6e2ef4e 999999999999999700000
444b1ae4d6e2ef4f 999999999999999900000
444b1ae4d6e2ef50 1e+21
3eb0c6f7a0b5ed8c 9.999999999999997e-7
3eb0c6f7a0b5ed8d 0.000001
41b3de4355555553 333333333.3333332
41b3de4355555554 333333333.33333325
41b3de4355555555 333333333.3333333
41b3de4355555556 333333333.3333334
41b3de4355555557 333333333.33333343
becbf647612f3696 -0.0000033333333333333333
43143ff3c1cb0959 1424953923781206.2
"""


@pytest.mark.parametrize("row", NUMBERS.split("\n")[1:-1])
def test_numbers_are_written_as_the_rfc_s_table_says(row):
    bits, text = row.split()
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert number_text(number) == text


def test_the_shares_of_a_rollout_are_written_as_javascript_does():
    assert [number_text(n / 100) for n in (1, 50, 2550, 2900, 9999)] == [
        *("0.01", "0.5", "25.5", "29", "99.99")
    ]


def test_the_rfc_s_sample_has_the_rfc_s_form():
    given = r"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    assert canonical_json(json.loads(given)).decode() == (
        '{"literals":[null,true,false],'
        '"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_keys_are_in_the_order_of_utf_16():
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\xf6"]
    text = canonical_json(dict.fromkeys(keys, 0)).decode()
    assert list(json.loads(text)) == [
        *("\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33")
    ]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ({"serial": 2**53}, "whole number above 9007199254740991"),
        ({"a": "\ud800"}, "half a character"),
        ({"\udfff": 1}, "half a character"),
        ({"a": {1, 2}}, "a set"),
    ],
)
def test_what_has_no_canonical_form_is_refused(value, reason):
    with pytest.raises(ValueError, match=reason):
        canonical_json(value)


def test_what_is_nested_too_deep_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="nested too deep"):
        canonical_json(value)
