"""Secrets in texts: found in whatever form a program writes them."""

import base64
import html
import json
import re
import shlex
import subprocess
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.secrets.masking import MASK, Masks, TooManySecrets

PEM = "-----BEGIN KEY-----\nMIIBOgIBAAJBAKj3\n+/Ab==\nab\n-----END KEY-----\n"
SECRETS = [
    "it's $PECIAL secret",
    'with "quotes" and \\back\\slashes',
    "100%25 of %0A it",
    '<b>&amp; "it\'s"',
    "пароль-密码-🔑",
    "a/b+c=d?e&f",
    "tab\there",
    "$(rm -rf ~) `x`",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "write",
    [
        str,
        json.dumps,
        lambda text: json.dumps(text, ensure_ascii=False),
        lambda text: re.sub(
            r"\\u[0-9a-f]{4}", lambda m: "\\u" + m[0][2:].upper(), json.dumps(text)
        ),
        lambda text: json.dumps({"key": [text]}),
        shlex.quote,
        repr,
        ascii,
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
        html.escape,
        lambda text: text.replace("%", "%25"),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
        lambda text: base64.b64encode(f"it:{text}:x".encode()).decode(),
        lambda text: base64.urlsafe_b64encode(f"{text}?".encode()).decode(),
    ],
)
def test_a_secret_is_hidden_in_each_form(secret, write):
    text = f"before {write(secret)} after"
    hidden = Masks([secret]).hide(text)
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    assert MASK in hidden
    left = hidden.removeprefix("before ").removesuffix(" after").replace(MASK, "")
    assert len(left) < 18, "more than quotes, or the rest around Base64, is left"


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_hidden_in_what_a_shell_says_of_itself(secret):
    script = 'set -x; : "$1"; set +x; printf "%q\\n" "$1"; echo "${1@Q}"'
    argv = ["bash", "-c", script, "x", secret]
    env = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=env)
    hidden = Masks([secret]).hide(done.stderr + done.stdout)
    if "\t" not in secret:  # bash writes that as $'…', which is as good as another
        assert hidden.count(MASK) == 3, hidden


def test_each_line_of_a_secret_is_hidden_and_short_ones_within_the_whole():
    masks = Masks([PEM])
    lines = [masks.hide(f"  {line} ") for line in PEM.splitlines()]
    assert lines == ["  *** "] * 3 + ["  ab ", "  *** "]
    assert masks.hide(f"<{PEM}>") == "<***\n>"
    assert masks.hide(json.dumps(PEM)) == r'"***\n"'
    assert "ab" not in masks.hide(PEM.replace("\n", " "))


def test_blanks_around_a_secret_are_no_part_of_it():
    assert Masks(["  s3cret\n"]).hide("is s3cret.") == "is ***."


def test_secrets_that_overlap_are_hidden_as_one():
    assert Masks(["abcdef", "defghi", "ef"]).hide("x abcdefghi y") == "x *** y"
    assert Masks(["abab"]).hide("ababab") == "***"


@pytest.mark.parametrize("short", ["", "abc", "   ", " ab ", "a\nb\nc", "\n\n"])
def test_what_is_too_short_is_refused_and_hides_nothing(short):
    masks = Masks()
    assert not masks.add(short)
    assert masks.hide("abc a, b, c") == "abc a, b, c"


def test_a_short_secret_of_before_there_was_a_least_length_is_hidden_as_a_whole():
    assert Masks(["abc"]).hide("abcd ab") == "***d ab"


def test_the_beginning_of_a_secret_at_a_cut_is_hidden():
    masks = Masks(["S3cr3tV@lue"])
    assert masks.hide_cut("tok=S3cr3") == "tok=***"
    assert masks.hide_cut("S3cr3tV@lue S") == "*** ***"
    assert masks.hide_cut("nothing of it") == "nothing of it"


def test_a_json_value_is_hidden_in_texts_names_and_numbers():
    masks = Masks(["12345678", "s3cret"])
    value = {"s3cret": ["a s3cret", 12345678, 1.5, True, None, {"n": -123456789}]}
    assert masks.hide_in(value) == {
        "***": ["a ***", "***", 1.5, True, None, {"n": "-***9"}]
    }


@given(st.text(min_size=4, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_nothing_of_a_secret_is_left_whatever_is_around_it(secret, before, after):
    core = secret.strip()
    masks = Masks()
    if masks.add(secret) and len(core) >= 4:
        assert core not in masks.hide(before + secret + after).replace(MASK, "\0")
        assert core not in masks.hide(json.dumps([secret])).replace(MASK, "\0")


def test_a_long_secret_is_hidden_also_where_only_a_piece_of_it_is_shown():
    secret = "".join(f"{number:05}" for number in range(2_345))
    masks = Masks([secret])
    assert masks.hide(f"<{secret}>").strip("<*>") == ""
    assert masks.hide_cut(f"<{secret[:4321]}").strip("<*") == ""


def test_looking_for_the_beginning_of_a_secret_takes_no_time():
    masks = Masks(["a" * 60_000 + "b", "ab" * 30_000])
    for text in ("a" * 65_536, "ab" * 30_000 + "c", "a" * 65_000 + "ba"):
        assert masks.may_go_on(text) == (not text.endswith("c"))


def test_more_secrets_than_can_be_looked_for_are_refused():
    masks = Masks(["\n".join(f"line-{number}" for number in range(1_200))])
    assert masks.hide("is line-1199") == "is ***"
    with pytest.raises(TooManySecrets):
        masks.add("one more")
    with pytest.raises(TooManySecrets):
        Masks().add("\n".join(f"line-{number}" for number in range(1_200)))
