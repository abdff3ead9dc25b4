"""What is sent in each format, and which answers mean that it arrived."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tasks.notify.formats import refusal, request_of
from tasks.notify.message import Message
from tasks.notify.post import Answer
from tasks.notify.signing import new_secret

NOW = datetime.now(UTC)
SECONDS, MS = int(NOW.timestamp()), round(NOW.timestamp() * 1000)
MESSAGE_ID = "6e0f0a63-7dd1-4a0e-93b8-3d1f4ac0a1f5"
CHATS = ("slack", "feishu", "dingtalk", "wecom")
URL = "https://sync.example.com/tasks/1#L6"
FAILURE = Message(
    "✕ Pack v885: failed",
    "bad",
    "KeyError: 'sprites'",
    ["Step “atlas” failed with exit code 1.", "Started by alice · 12 s"],
    "Open line 6 in Resource Sync",
    URL,
)


def sent(kind, message=FAILURE, secret=""):
    request = request_of(kind, message.as_json(), MESSAGE_ID, secret, NOW)
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    return request, json.loads(request.body)


def hmac_of(key, text):
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


# --- Standard Webhooks --------------------------------------------------------------


def test_the_library_of_standard_webhooks_verifies_what_is_sent():
    secret, body = new_secret(), {"type": "task.failed", "data": {"name": "打包"}}
    request = request_of("standard", body, MESSAGE_ID, secret, datetime.now(UTC))
    assert Webhook(secret).verify(request.body, dict(request.headers)) == body
    assert request.headers["webhook-id"] == MESSAGE_ID
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(request.body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(request.body + b" ", dict(request.headers))


def test_secrets_are_as_long_as_the_standard_wants_and_never_the_same():
    secrets = {new_secret() for _ in range(10)}
    assert len(secrets) == 10
    for secret in secrets:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64


# --- The chats ----------------------------------------------------------------------


def test_slack_gets_blocks_without_marks_and_a_link():
    _, told = sent("slack")
    header, words, link = told["blocks"]
    assert header["type"] == "header"
    assert header["text"]["text"] == "✕ Pack v885: failed"
    assert words["text"]["type"] == "plain_text"
    assert words["text"]["text"].splitlines() == [FAILURE.quote, *FAILURE.lines]
    assert link["text"]["text"] == f"<{URL}|Open line 6 in Resource Sync>"
    assert told["text"] == "✕ Pack v885: failed\nKeyError: 'sprites'"


def test_feishu_gets_a_card_with_a_button():
    request, told = sent("feishu")
    assert told["msg_type"] == "interactive"
    assert told["card"]["header"]["template"] == "red"
    words, acts = told["card"]["elements"]
    assert words["text"]["tag"] == "plain_text"
    assert "KeyError: 'sprites'" in words["text"]["content"]
    assert acts["actions"][0]["url"] == URL
    assert "sign" not in told
    assert request.query == ""


def test_feishu_s_signature_is_in_the_body():
    _, told = sent("feishu", secret="the secret")
    assert told["timestamp"] == str(SECONDS)
    assert told["sign"] == hmac_of(f"{SECONDS}\nthe secret", "")


def test_dingtalk_gets_markdown_and_calls_nobody():
    request, told = sent("dingtalk")
    assert told["msgtype"] == "markdown"
    assert told["markdown"]["title"] == "✕ Pack v885: failed"
    assert told["markdown"]["text"].split("\n\n") == [
        "#### ✕ Pack v885: failed",
        "> KeyError: 'sprites'",
        *FAILURE.lines,
        f"[Open line 6 in Resource Sync]({URL})",
    ]
    assert told["at"] == {"isAtAll": False}
    assert request.query == ""


def test_dingtalk_s_signature_is_in_the_query():
    request, _ = sent("dingtalk", secret="SECabc")
    query = parse_qs(request.query)
    sign = hmac_of("SECabc", f"{MS}\nSECabc")
    assert query == {"timestamp": [str(MS)], "sign": [sign]}


def test_wecom_gets_markdown():
    _, told = sent("wecom")
    assert told == {
        "msgtype": "markdown",
        "markdown": {
            "content": "**✕ Pack v885: failed**\n"
            "> KeyError: 'sprites'\n"
            "Step “atlas” failed with exit code 1.\n"
            "Started by alice · 12 s\n"
            f"[Open line 6 in Resource Sync]({URL})"
        },
    }


ATTACK = (
    "<!channel> <@all> @all <at id=all></at> [click](https://evil.example) "
    '<https://evil.example|ok> <font color="warning">x</font> **x** `x`'
)


@pytest.mark.parametrize("kind", CHATS)
def test_what_comes_from_a_task_calls_nobody_and_forges_no_link(kind):
    lines = ["first", ATTACK, "a\nb\n# c"]
    attack = Message(ATTACK, "bad", ATTACK, lines, ATTACK, URL)
    _, told = sent(kind, attack._replace(link="Open"))
    match kind:
        case "slack":
            assert {block["text"]["type"] for block in told["blocks"][:-1]} == {
                "plain_text"
            }
            assert told["blocks"][-1]["text"]["text"] == f"<{URL}|Open>"
            assert "<" not in told["text"]
            return
        case "feishu":
            assert '"lark_md"' not in json.dumps(told)
            assert '"markdown"' not in json.dumps(told)
            return
        case "dingtalk":
            marked = told["markdown"]["text"]
        case "wecom":
            marked = told["markdown"]["content"]
    own = marked.replace(f"[Open]({URL})", "")
    assert "<" not in own
    assert "](" not in own
    assert "`" not in own
    assert not [line for line in own.splitlines() if line.startswith("# ")]


@pytest.mark.parametrize("kind", CHATS)
@pytest.mark.parametrize("letter", ["x", "包", "<", "&", "\\", "😀"])
def test_a_message_is_within_its_chat_s_limit_and_keeps_its_link(kind, letter):
    long = letter * 5_000
    message = FAILURE._replace(headline=long, quote=long, lines=[long] * 6)
    request, told = sent(kind, message, "secret")
    assert URL in request.body.decode()
    match kind:
        case "slack":
            lengths = [len(block["text"]["text"]) for block in told["blocks"]]
            assert lengths[0] <= 150
            assert max(lengths) <= 3_000
        case "wecom":
            assert len(told["markdown"]["content"].encode()) <= 4_096
        case _:
            assert len(request.body) <= 20_000


# --- Answers ------------------------------------------------------------------------


def said(body=b"", status=200, **headers):
    return Answer(status, headers, body)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("standard", said(status=204)),
        ("standard", said(b"whatever", 299)),
        ("slack", said(b"ok")),
        ("feishu", said(b'{"code":0,"msg":"success","data":{}}')),
        ("feishu", said(b'{"StatusCode":0,"StatusMessage":"success"}')),
        ("dingtalk", said(b'{"errcode":0,"errmsg":"ok"}')),
        ("wecom", said(b'{"errcode":0,"errmsg":"ok"}')),
    ],
)
def test_answers_that_mean_it_arrived(kind, answer):
    assert refusal(kind, answer) is None


@pytest.mark.parametrize(
    ("kind", "answer", "sentence"),
    [
        ("standard", said(status=500), "It was answered with status 500."),
        ("standard", said(status=100), "It was answered with status 100."),
        ("slack", said(b"no_service", 404), "It was answered with status 404."),
        (
            "feishu",
            said(b'{"code":19021,"msg":"sign match fail"}'),
            "Feishu refused the message: sign match fail (19021).",
        ),
        (
            "dingtalk",
            said(b'{"errcode":310000,"errmsg":"keywords not in content"}'),
            "DingTalk refused the message: keywords not in content (310000).",
        ),
        (
            "wecom",
            said(b'{"errcode":93000,"errmsg":"invalid webhook url"}'),
            "WeCom refused the message: invalid webhook url (93000).",
        ),
        ("wecom", said(b"<html>"), "The answer is none that WeCom gives."),
        ("wecom", said(b"[]"), "The answer is none that WeCom gives."),
        ("feishu", said(b'{"code":0}'), "The answer is none that Feishu gives."),
    ],
)
def test_answers_that_do_not_and_what_is_said_of_them(kind, answer, sentence):
    assert str(refusal(kind, answer)) == sentence


def test_a_redirect_names_where_to_without_the_path():
    answer = said(status=308, location="https://new.example.com/secret?token=x")
    reason = str(refusal("standard", answer))
    assert "a redirect to https://new.example.com." in reason
    assert "secret" not in reason
    assert "a redirect, and" in str(refusal("standard", said(status=302)))
