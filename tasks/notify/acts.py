"""What people and programs may do with webhooks: make, delete, disable, enable, try.

Each takes ``admin`` and is in the audit trail, without what is secret.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.access.actor import Actor, Scope, record
from tasks.catalog.freezes import TAKES_PATTERN, TYPE_PATTERN
from tasks.catalog.task_type import ParameterErrors
from tasks.localized import localized
from tasks.models import AuditEvent, Event, Webhook, WebhookDelivery
from tasks.notify import words
from tasks.notify.signing import new_secret
from tasks.notify.targets import Refused, addresses_of, target_of
from tasks.reasons import Reason
from tasks.secrets.encryption import opened, sealed

Action = AuditEvent.Action

RESOLVE_SECONDS = 3.0  # somebody waits for the answer
MOST_PATTERNS = 100
MOST_WEBHOOKS = 100
LONGEST_NAME = 100
LONGEST_SECRET = 200
HIDDEN = "***"
SHORTEST_SECRET = 8  # characters; a shorter part of a URL is a word, such as "hook"
EVENT_PATTERN = re.compile(r"[a-z_.*?]{1,40}")
TOLD = [event.value for event in Event if event is not Event.TEST]
# Whose answers are signed by a secret of theirs, which their settings show.
SIGNED = {Webhook.Format.FEISHU, Webhook.Format.DINGTALK}


class Made(NamedTuple):
    """``secret``: of Standard Webhooks, said this once; "" of a chat."""

    webhook: Webhook
    secret: str


def let_manage(actor: Actor) -> None:
    """Raise ScopeTooSmall unless they may see and change webhooks."""
    actor.needs(Scope.ADMIN, has_it=actor.rights.is_admin)


def webhook_of(text: object) -> Webhook:
    """Return the webhook with this id. Raises Webhook.DoesNotExist, also where it is no
    id at all."""
    try:
        return Webhook.objects.get(pk=uuid.UUID(str(text)))
    except ValueError:
        raise Webhook.DoesNotExist from None


def delivery_of(webhook: Webhook, number: int) -> WebhookDelivery:
    """Return a delivery of a webhook. Raises Webhook.DoesNotExist."""
    found = webhook.deliveries.filter(pk=number).first() if number < 2**63 else None
    if found is None:
        raise Webhook.DoesNotExist
    return found


def make_webhook(given: Mapping[str, object], actor: Actor) -> Made:
    """Make a webhook from ``url``, ``events``, ``types``, ``format``, ``language``,
    ``name`` and ``secret``. Raises ScopeTooSmall, and ParameterErrors by these
    names."""
    let_manage(actor)
    checked, errors = _checked(given)
    if not errors and Webhook.objects.count() >= MOST_WEBHOOKS:
        text = _("There are %(most)s webhooks already; delete some first.")
        errors["url"] = [text % {"most": MOST_WEBHOOKS}]
    if errors:
        raise ParameterErrors(errors)
    secret = checked["secret"]
    is_standard = checked["format"] == Webhook.Format.STANDARD
    if is_standard:
        secret = new_secret()
    webhook_id = uuid.uuid4()
    with transaction.atomic():
        made = Webhook.objects.create(
            id=webhook_id,
            name=checked["name"],
            sealed=str(sealed(webhook_id, {"url": checked["url"], "secret": secret})),
            shown_url=shown_url(checked["url"], checked["format"]),
            events=checked["events"],
            types=checked["types"],
            format=checked["format"],
            language=checked["language"],
            created_by=actor.name[:200],
        )
        made.refresh_from_db()
        _note(actor, Action.WEBHOOK_MADE, made, before=None, after=_facts(made))
    return Made(made, secret if is_standard else "")


def delete_webhook(webhook: Webhook, actor: Actor) -> None:
    """Delete it with its deliveries; what waits is not sent. Raises ScopeTooSmall."""
    let_manage(actor)
    with transaction.atomic():
        _note(actor, Action.WEBHOOK_DELETED, webhook, before=_facts(webhook))
        webhook.delete()


def disable(webhook: Webhook, reason: Reason) -> bool:
    """Send nothing there any more, and end what waits. False where it was so before.
    Within a transaction."""
    active = Webhook.objects.active().filter(pk=webhook.pk)
    now = timezone.now()
    if not active.update(disabled_at=now, disabled_reason=reason.as_json()):
        return False
    waiting = WebhookDelivery.objects.waiting().filter(webhook=webhook)
    waiting.update(
        state=WebhookDelivery.State.FAILED, next_at=None, ended_at=now, runner=None
    )
    return True


def disable_by(webhook: Webhook, actor: Actor) -> bool:
    """The same as an act of somebody. Raises ScopeTooSmall."""
    let_manage(actor)
    with transaction.atomic():
        is_new = disable(webhook, Reason("webhook-disabled", by=actor.name))
        if is_new:
            _note(actor, Action.WEBHOOK_DISABLED, webhook)
    return is_new


def enable(webhook: Webhook, actor: Actor) -> bool:
    """Tell it of what happens from now on. False where it was enabled. Raises
    ScopeTooSmall."""
    let_manage(actor)
    with transaction.atomic():
        disabled = Webhook.objects.filter(pk=webhook.pk, disabled_at__isnull=False)
        is_new = disabled.update(
            disabled_at=None, disabled_reason=None, rests_until=None
        )
        if is_new:
            _note(actor, Action.WEBHOOK_ENABLED, webhook)
    return bool(is_new)


def send_test(webhook: Webhook, actor: Actor) -> WebhookDelivery:
    """Put a message into the queue that says that it arrives. Raises ScopeTooSmall, and
    ParameterErrors where the webhook is disabled."""
    let_manage(actor)
    require_active(webhook)
    now = timezone.now()
    payload: Mapping[str, Any] = words.body_of(
        Event.TEST, now, {"webhook": str(webhook.pk), "by": actor.name}
    )
    if webhook.is_chat:
        payload = words.test_message(webhook.name, webhook.language).as_json()
    with transaction.atomic():
        made = WebhookDelivery.objects.create(
            webhook=webhook,
            event=Event.TEST,
            subject=f"test:{uuid.uuid4()}",
            payload=payload,
            created_at=now,
            next_at=now,
        )
        _note(actor, Action.WEBHOOK_TESTED, webhook)
    return made


def send_again(delivery: WebhookDelivery, actor: Actor) -> bool:
    """Put a message that ended into the queue again, with the id that it has. False
    where it waits. Raises ScopeTooSmall, and ParameterErrors where the webhook is
    disabled."""
    let_manage(actor)
    require_active(delivery.webhook)
    with transaction.atomic():
        ended = WebhookDelivery.objects.filter(pk=delivery.pk, ended_at__isnull=False)
        is_new = ended.update(
            state=WebhookDelivery.State.WAITING,
            next_at=timezone.now(),
            ended_at=None,
        )
        if is_new:
            message = str(delivery.message_id)
            _note(actor, Action.WEBHOOK_RESENT, delivery.webhook, message=message)
    return bool(is_new)


def require_active(webhook: Webhook) -> None:
    if webhook.disabled_at is not None:
        raise ParameterErrors({"webhook": [_("It is disabled; enable it first.")]})


def url_and_secret(webhook: Webhook) -> tuple[str, str]:
    """Return what nobody is shown. Raises SecretKeyChanged."""
    values = opened(webhook.pk, webhook.sealed)
    return values["url"], values["secret"]


def shown_url(url: str, kind: str) -> str:
    """Return a URL as people are shown it: of a chat only the host, because whoever has
    the rest writes there; of others without the values of the query."""
    target = target_of(url)
    start = f"{target.scheme}://{target.authority}"
    if kind != Webhook.Format.STANDARD:
        return f"{start}/{HIDDEN}"[:300]
    path, _mark, query = target.path.partition("?")
    names = [part.partition("=")[0] for part in query.split("&") if part]
    hidden = "&".join(f"{name}={HIDDEN}" for name in names)
    return f"{start}{path}{'?' if hidden else ''}{hidden}"[:300]


def without_secrets(text: str, webhook: Webhook, url: str, secret: str) -> str:
    """Return a text in which neither the URL nor the secret stands."""
    path, _mark, query = target_of(url).path.partition("?")
    parts = {url, secret, query, *re.split("[&=]", query)}
    if webhook.is_chat:
        parts |= {path, *path.split("/")}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST_SECRET:
            text = text.replace(part, HIDDEN)
    return text


# --- What was given -----------------------------------------------------------------


def _checked(
    given: Mapping[str, object],
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return what a body says, and what is wrong with it."""
    errors: dict[str, list[str]] = {}
    checked: dict[str, Any] = {
        "format": _choice(given, "format", Webhook.Format.values, errors),
        "language": _choice(given, "language", Webhook.Language.values, errors),
        "name": _text(given, "name", LONGEST_NAME, errors),
        "secret": _text(given, "secret", LONGEST_SECRET, errors),
        "events": _patterns(given, "events", EVENT_PATTERN, TOLD, errors),
        "types": _patterns(given, "types", TYPE_PATTERN, None, errors),
        "url": given.get("url"),
    }
    if checked["secret"] and checked["format"] not in SIGNED:
        text = _("Only Feishu and DingTalk have a secret to be given here.")
        errors["secret"] = [text]
    if not isinstance(checked["url"], str):
        errors["url"] = [_("Must be a string.")]
    elif problem := _problem_of(checked["url"]):
        errors["url"] = [localized(problem)]
    return checked, errors


def _problem_of(url: str) -> Reason | None:
    """Return why nothing may be sent to a URL. That its name is not known now is no
    reason: each attempt asks again."""
    try:
        addresses_of(target_of(url), RESOLVE_SECONDS)
    except Refused as refused:
        is_unknown = refused.reason.code == "webhook-not-resolved"
        return None if is_unknown else refused.reason
    return None


def _choice(
    given: Mapping[str, object],
    name: str,
    there_are: Sequence[str],
    errors: dict[str, list[str]],
) -> str:
    value = given.get(name, there_are[0])
    if value not in there_are:
        reason = Reason("not-a-choice", choices=", ".join(there_are))
        errors[name] = [localized(reason)]
    return str(value)


def _text(
    given: Mapping[str, object], name: str, most: int, errors: dict[str, list[str]]
) -> str:
    text = given.get(name, "")
    if not isinstance(text, str):
        errors[name] = [_("Must be a string.")]
    elif len(text) > most:
        errors[name] = [localized(Reason("too-long", limit=most))]
    elif not text.isprintable():
        errors[name] = [_("Must be one line of text.")]
    return str(text).strip()


def _patterns(
    given: Mapping[str, object],
    name: str,
    allowed: re.Pattern[str],
    there_are: Sequence[str] | None,
    errors: dict[str, list[str]],
) -> list[str]:
    """Return a list of patterns. ``there_are``: each has to describe one of these, and
    without the list there are all; None: without it there are none."""
    found: Any = given.get(name, [] if there_are is None else ["*"])
    takes = TAKES_PATTERN
    if there_are is not None:
        takes = _("events, or patterns such as task.*; there are: %(events)s")
        takes %= {"events": ", ".join(there_are)}
    wrong = [_("Must be a list of %(takes)s.") % {"takes": takes}]
    is_list = isinstance(found, list) and len(found) <= MOST_PATTERNS
    if not is_list or (there_are is not None and not found):
        errors[name] = wrong
        return []
    for pattern in found:
        is_pattern = isinstance(pattern, str) and allowed.fullmatch(pattern)
        if not is_pattern or not _describes(pattern, there_are):
            errors[name] = wrong
    patterns: list[str] = found
    return patterns


def _describes(pattern: str, there_are: Sequence[str] | None) -> bool:
    return there_are is None or any(fnmatchcase(one, pattern) for one in there_are)


# --- The audit trail ----------------------------------------------------------------


def _facts(webhook: Webhook) -> dict[str, object]:
    return {
        "url": webhook.shown_url,
        "events": webhook.events,
        "types": webhook.types,
        "format": webhook.format,
        "language": webhook.language,
    }


def _note(actor: Actor, action: str, webhook: Webhook, **details: Any) -> None:
    record(actor, action, webhook.pk, name=str(webhook), **details)
