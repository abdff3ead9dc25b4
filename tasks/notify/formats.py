"""The formats of webhooks: what is sent, and whether an answer means that it arrived.

What comes from a task (parameters, names, lines of its output) is plain text in each of
them: it can neither call everybody nor hide where a link leads.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from tasks.models import Webhook
from tasks.notify import signing
from tasks.notify.message import Message
from tasks.notify.post import Answer
from tasks.reasons import Reason

Format = Webhook.Format
JSON = "application/json; charset=utf-8"
USER_AGENT = "resource-sync"
# Each text of a message has the first of these many characters with which the whole is
# within its chat's limit.
LIMITS = (1_000, 500, 250, 120, 60, 30)
MOST_HEADLINE = 150  # characters of Slack's header
NAMES = {Format.SLACK: "Slack", Format.FEISHU: "Feishu", Format.DINGTALK: "DingTalk"}
NAMES[Format.WECOM] = "WeCom"


class Request(NamedTuple):
    """``query``: what is added to the URL."""

    query: str
    headers: Mapping[str, str]
    body: bytes


def request_of(
    kind: str, payload: Mapping[str, Any], message_id: str, secret: str, at: datetime
) -> Request:
    """Return what an attempt at this time sends."""
    seconds = int(at.timestamp())
    headers = {"Content-Type": JSON, "User-Agent": USER_AGENT}
    if kind == Format.STANDARD:
        body = _json(payload)
        headers |= signing.standard_headers(secret, message_id, seconds, body)
        return Request("", headers, body)
    told = _within_limit(kind, Message(**payload))
    query = ""
    if kind == Format.FEISHU and secret:
        sign = signing.feishu_sign(secret, seconds)
        told = {"timestamp": str(seconds), "sign": sign, **told}
    elif kind == Format.DINGTALK and secret:
        at_ms = round(at.timestamp() * 1000)
        sign = quote(signing.dingtalk_sign(secret, at_ms), safe="")
        query = f"timestamp={at_ms}&sign={sign}"
    return Request(query, headers, _json(told))


def _within_limit(kind: str, message: Message) -> dict[str, Any]:
    write, most_bytes, sizes = CHATS[Format(kind)]
    told: dict[str, Any] = {}
    for limit in LIMITS:
        told = write(message.cut_to(limit))
        if max(sizes(told)) <= most_bytes:
            break
    return told


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# --- The chats ----------------------------------------------------------------------


def slack(message: Message) -> dict[str, Any]:
    """https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks

    A ``plain_text`` has no marks. ``text`` is what notifications show, and has: the
    three characters are escaped of which they are made.
    https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    headline = message.headline[:MOST_HEADLINE]
    words = "\n".join(filter(None, [message.quote, *message.lines]))
    text = f"{headline}\n{message.quote}".strip()
    for mark, escape in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(mark, escape)

    def plain(words: str) -> dict[str, Any]:
        return {"type": "plain_text", "text": words, "emoji": False}

    link = f"<{message.url}|{message.link}>"
    blocks: list[dict[str, Any]] = [{"type": "header", "text": plain(headline)}]
    if words:
        blocks.append({"type": "section", "text": plain(words)})
    marked = {"type": "mrkdwn", "text": link, "verbatim": True}
    blocks.append({"type": "section", "text": marked})
    return {"text": text, "blocks": blocks}


def feishu(message: Message) -> dict[str, Any]:
    """https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot

    A card, whose ``plain_text`` has no marks; the body has 20 KB at most.
    https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-components/content-components/plain-text
    """

    def plain(words: str) -> dict[str, str]:
        return {"tag": "plain_text", "content": words}

    words = "\n".join(filter(None, [message.quote, *message.lines]))
    button = {"tag": "button", "text": plain(message.link), "url": message.url}
    elements: list[dict[str, Any]] = [{"tag": "div", "text": plain(words)}]
    elements = elements if words else []
    elements.append({"tag": "action", "actions": [{**button, "type": "default"}]})
    colour = {"bad": "red", "good": "green"}.get(message.tone, "blue")
    header = {"title": plain(message.headline), "template": colour}
    card = {"config": {"wide_screen_mode": True}, "header": header}
    return {"msg_type": "interactive", "card": {**card, "elements": elements}}


# Markdown of which neither product documents an escape: what marks are made of is
# written by its wide twin, as Chinese text has it.
WIDE = str.maketrans("<>[]`*", "＜＞［］｀＊")


def dingtalk(message: Message) -> dict[str, Any]:
    """https://open.dingtalk.com/document/robots/custom-robot-access

    Markdown, in which a line ends at an empty one. Nobody is called: that takes ``at``.
    The body has 20,000 bytes at most.
    """
    text = _markdown(message, "\n\n", "#### {}")
    title = message.headline.translate(WIDE)
    told = {"title": title, "text": text}
    return {"msgtype": "markdown", "markdown": told, "at": {"isAtAll": False}}


def wecom(message: Message) -> dict[str, Any]:
    """https://developer.work.weixin.qq.com/document/path/91770

    Markdown of 4,096 bytes at most. ``<@name>`` calls somebody, and ``<font>`` colours.
    """
    text = _markdown(message, "\n", "**{}**")
    return {"msgtype": "markdown", "markdown": {"content": text}}


def _markdown(message: Message, newline: str, headline: str) -> str:
    quoted = f"> {message.quote.translate(WIDE)}" if message.quote else ""
    return newline.join(
        [
            headline.format(message.headline.translate(WIDE)),
            *filter(None, [quoted]),
            *(line.translate(WIDE) for line in message.lines),
            f"[{message.link.translate(WIDE)}]({message.url})",
        ]
    )


def _whole(told: dict[str, Any]) -> list[int]:
    return [len(_json(told))]


def _sections(told: dict[str, Any]) -> list[int]:
    return [len(block["text"]["text"]) for block in told["blocks"]]


def _content(told: dict[str, Any]) -> list[int]:
    return [len(told["markdown"]["content"].encode())]


Writer = Callable[[Message], dict[str, Any]]
# How a message is written, how much of it there may be, and how much there is.
CHATS: dict[Format, tuple[Writer, int, Callable[[dict[str, Any]], list[int]]]] = {
    Format.SLACK: (slack, 3_000, _sections),
    Format.FEISHU: (feishu, 19_500, _whole),  # the signature comes on top
    Format.DINGTALK: (dingtalk, 20_000, _whole),
    Format.WECOM: (wecom, 4_096, _content),
}

# --- Answers ------------------------------------------------------------------------


def refusal(kind: str, answer: Answer) -> Reason | None:
    """Return why an answer does not mean that the message arrived; None where it does.

    Feishu, DingTalk and WeCom answer 200 in any case, and say in the body what came of
    it.
    """
    status = answer.status
    if 300 <= status < 400:
        return _redirect(answer)
    if status == 410:
        return Reason("webhook-gone")
    if not 200 <= status < 300:
        return Reason("webhook-status", status=status)
    if kind in {Format.STANDARD, Format.SLACK}:
        return None
    chat = NAMES[Format(kind)]
    try:
        told = json.loads(answer.body)
        number = next(told[n] for n in ("errcode", "code", "StatusCode") if n in told)
        words = next(told[n] for n in ("errmsg", "msg", "StatusMessage") if n in told)
    except (ValueError, TypeError, LookupError, StopIteration):
        return answer.flaw or Reason("webhook-chat-not-understood", chat=chat)
    if number == 0:
        return None
    said = {"words": str(words)[:500], "number": str(number)[:20]}
    return Reason("webhook-chat-refused", chat=chat, **said)


def _redirect(answer: Answer) -> Reason:
    # Its path may be as secret as that of the webhook.
    try:
        parts = urlsplit(answer.headers.get("location", ""))
        host = parts.hostname
    except ValueError:
        host = None
    if host and host.isascii() and host.isprintable():
        place = f"{parts.scheme}://{host[:200]}"
        return Reason("webhook-redirected", status=answer.status, location=place)
    return Reason("webhook-redirected", status=answer.status)
