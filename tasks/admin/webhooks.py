"""Webhooks in the admin: made, tried, switched off and on, deleted; and what was sent
to them, with each answer."""

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks.access.staff import actor
from tasks.admin.filters import DeliveryStateFilter, WebhookFilter
from tasks.admin.read_only import NOTHING, LookedAt, exact_time, marked, time_ago
from tasks.catalog.task_type import ParameterErrors
from tasks.localized import localized
from tasks.models import Event, Task, Webhook, WebhookDelivery
from tasks.notify import acts
from tasks.notify.deliveries import request_for
from tasks.presenters.wording import duration_text
from tasks.reasons import Reason

if TYPE_CHECKING:
    WebhookModelForm = forms.ModelForm[Webhook]
else:  # generic for the type checker only
    WebhookModelForm = forms.ModelForm

# Each with the colour of a task's status that means as much.
SHAPES = {
    Webhook.State.ACTIVE: ("●", Task.Status.COMPLETED),
    Webhook.State.DISABLED: ("⊘", Task.Status.CANCELLED),
}
DELIVERY_SHAPES = {
    WebhookDelivery.State.WAITING: ("◌", Task.Status.PENDING),
    WebhookDelivery.State.DELIVERED: ("✓", Task.Status.COMPLETED),
    WebhookDelivery.State.FAILED: ("✕", Task.Status.FAILED),
}


def event_label(name: str) -> str:
    return str(Event(name).label) if name in Event.values else name


class NewWebhookForm(WebhookModelForm):
    url = forms.CharField(
        label=_("URL"),
        widget=forms.TextInput(attrs={"size": 80, "spellcheck": "false"}),
    )
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=[(one.value, one.label) for one in Event if one is not Event.TEST],
        initial=[Event.TASK_FAILED],
        widget=forms.CheckboxSelectMultiple,
    )
    types = forms.CharField(
        label=_("Task types"),
        required=False,
        help_text=_(
            "Names, or patterns such as sync-*, with commas between. Leave empty for "
            "all."
        ),
    )
    secret = forms.CharField(
        label=_("Secret"),
        required=False,
        help_text=_(
            "Of Feishu and DingTalk, where the bot's settings show one. That of "
            "Standard Webhooks is made here."
        ),
    )

    class Meta:
        model = Webhook
        fields = ("name", "format", "language")

    def clean(self) -> dict[str, Any]:
        """Make it here, so that what is refused is said beside its field."""
        given = super().clean() or {}
        if self.errors:
            return given
        types = [one.strip() for one in given["types"].split(",") if one.strip()]
        try:
            self.made = acts.make_webhook({**given, "types": types}, self.maker)
        except ParameterErrors as error:
            for name, texts in error.errors.items():
                self.add_error(name, list(texts))
        return given

    maker: Any  # who asks: set by the page
    made: acts.Made

    def save(self, commit: bool = True) -> Any:
        return self.made.webhook

    def save_m2m(self) -> None:
        """There is nothing more to save."""


@admin.register(Webhook)
class WebhookAdmin(LookedAt):
    list_display = (
        "title", "state", "format", "shown_url", "told", "kinds", "last", "created",
    )  # fmt: skip
    list_display_links = ("title",)
    search_fields = ("name", "shown_url")
    actions = ("send_test", "enable", "disable", "delete")
    change_form_template = "admin/tasks/webhook/change_form.html"
    add_form_template = "admin/tasks/webhook/add_form.html"
    fields = (
        "name", "state", "why", "format", "shown_url", "told", "kinds", "language",
        "sent", "created_at", "created_by",
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.add_webhook")

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.change_webhook")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        made = ("name", "format", "url", "secret", "events", "types", "language")
        return self.fields if obj else made

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **more: Any
    ) -> type["ModelForm[Any]"]:
        if obj:
            return super().get_form(request, obj, change, **more)
        return type("Form", (NewWebhookForm,), {"maker": actor(request)})

    @admin.display(description=_("name"))
    def title(self, webhook: Webhook) -> str:
        return webhook.name or str(webhook.get_format_display())

    @admin.display(description=_("state"))
    def state(self, webhook: Webhook) -> SafeString:
        shape, colour = SHAPES[webhook.state]
        return marked(shape, webhook.state.label, colour)

    @admin.display(description=_("why"))
    def why(self, webhook: Webhook) -> str:
        stored = webhook.disabled_reason
        return localized(Reason.of(stored)) if stored else NOTHING

    @admin.display(description=_("events"))
    def told(self, webhook: Webhook) -> str:
        if webhook.events == ["*"]:
            return gettext("all")
        return ", ".join(event_label(name) for name in webhook.events)

    @admin.display(description=_("task types"))
    def kinds(self, webhook: Webhook) -> str:
        return ", ".join(webhook.types) or gettext("every type")

    @admin.display(description=_("last delivery"))
    def last(self, webhook: Webhook) -> SafeString | str:
        found = webhook.deliveries.first()
        return delivery_state(found) if found else NOTHING

    @admin.display(description=_("deliveries"))
    def sent(self, webhook: Webhook) -> SafeString:
        query = {"webhook": webhook.pk}
        url = reverse("admin:tasks_webhookdelivery_changelist", query=query)
        return format_html('<a href="{}">{}</a>', url, gettext("Show all"))

    @admin.display(description=_("created"), ordering="created_at")
    def created(self, webhook: Webhook) -> SafeString | str:
        return time_ago(webhook.created_at)

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        request.made = form.made  # type: ignore[attr-defined]  # for response_add

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The secret is shown in the answer itself, and kept in no session."""
        made: acts.Made = request.made  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Webhook created"),
            "opts": self.opts,
            "webhook": made.webhook,
            "secret": made.secret,
        }
        return TemplateResponse(request, "admin/tasks/webhook/made.html", context)

    @admin.action(description=_("Send a test message"), permissions=["manage"])
    def send_test(self, request: HttpRequest, webhooks: QuerySet[Webhook]) -> None:
        for webhook in webhooks:
            try:
                acts.send_test(webhook, actor(request))
            except ParameterErrors as error:
                messages.warning(request, f"{webhook}: {_first(error)}")
            else:
                text = gettext("%(name)s: a test message is on its way.")
                messages.success(request, text % {"name": webhook})

    @admin.action(description=_("Enable"), permissions=["manage"])
    def enable(self, request: HttpRequest, webhooks: QuerySet[Webhook]) -> None:
        for webhook in webhooks:
            if acts.enable(webhook, actor(request)):
                text = gettext("%(name)s is enabled.")
                messages.success(request, text % {"name": webhook})

    @admin.action(description=_("Disable"), permissions=["manage"])
    def disable(self, request: HttpRequest, webhooks: QuerySet[Webhook]) -> None:
        for webhook in webhooks:
            if acts.disable_by(webhook, actor(request)):
                text = gettext("%(name)s is disabled; what waited is not sent.")
                messages.success(request, text % {"name": webhook})

    @admin.action(description=_("Delete"), permissions=["manage"])
    def delete(
        self, request: HttpRequest, webhooks: QuerySet[Webhook]
    ) -> HttpResponse | None:
        """Asks first; the answer comes as ``sure``."""
        if "sure" in request.POST:
            for webhook in webhooks:
                acts.delete_webhook(webhook, actor(request))
                text = gettext("%(name)s is deleted.")
                messages.success(request, text % {"name": webhook})
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Delete permanently?"),
            "opts": self.opts,
            "webhooks": webhooks,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/tasks/webhook/delete.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["may_manage"] = self.has_manage_permission(request)
        context["checkbox"] = ACTION_CHECKBOX_NAME
        return super().render_change_form(request, context, *args, **kwargs)


def _first(error: ParameterErrors) -> str:
    return next(iter(error.errors.values()))[0]


def delivery_state(delivery: WebhookDelivery) -> SafeString:
    state = WebhookDelivery.State(delivery.state)
    shape, colour = DELIVERY_SHAPES[state]
    return marked(shape, state.label, colour)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(LookedAt):
    list_display = ("what", "state", "webhook", "tried", "last_answer", "next", "made")
    list_display_links = ("what",)
    list_filter = (DeliveryStateFilter, WebhookFilter)
    list_select_related = ("webhook",)
    actions = ("send_again",)
    change_form_template = "admin/tasks/webhook/delivery.html"
    fields = (
        "what", "state", "webhook", "task", "message_id", "created_at", "next_at",
        "request", "answers",
    )  # fmt: skip

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.change_webhookdelivery")

    @admin.display(description=_("event"))
    def what(self, delivery: WebhookDelivery) -> str:
        count = f" × {delivery.failures:,}" if delivery.failures else ""
        return f"{event_label(delivery.event)}{count}"

    @admin.display(description=_("state"))
    def state(self, delivery: WebhookDelivery) -> SafeString:
        return delivery_state(delivery)

    @admin.display(description=_("attempts"))
    def tried(self, delivery: WebhookDelivery) -> str:
        return str(len(delivery.attempts))

    @admin.display(description=_("last answer"))
    def last_answer(self, delivery: WebhookDelivery) -> str:
        return said_of(delivery.attempts[-1]) if delivery.attempts else NOTHING

    @admin.display(description=_("next attempt"))
    def next(self, delivery: WebhookDelivery) -> SafeString | str:
        return exact_time(delivery.next_at) if delivery.next_at else NOTHING

    @admin.display(description=_("created"))
    def made(self, delivery: WebhookDelivery) -> SafeString | str:
        return time_ago(delivery.created_at)

    @admin.display(description=_("task"))
    def task(self, delivery: WebhookDelivery) -> SafeString | str:
        if delivery.task_id is None:
            return NOTHING
        url = reverse("admin:tasks_task_change", args=[delivery.task_id])
        return format_html('<a href="{}">{}</a>', url, delivery.task_id)

    @admin.display(description=_("request"))
    def request(self, delivery: WebhookDelivery) -> SafeString:
        body = request_for(delivery, "", timezone.now()).body
        text = json.dumps(json.loads(body), ensure_ascii=False, indent=2)
        line = f"POST {delivery.webhook.shown_url}"
        return format_html('<pre class="code">{}\n\n{}</pre>', line, text)

    @admin.display(description=_("attempts"))
    def answers(self, delivery: WebhookDelivery) -> SafeString | str:
        rows = (
            (
                one["at"],
                duration_text(one["durationMs"] / 1000),
                said_of(one),
                one["answer"],
            )
            for one in delivery.attempts
        )
        item = '<p>{} · {} · {}</p><pre class="code">{}</pre>'
        return format_html_join("", item, rows) or NOTHING

    @admin.action(description=_("Send again"), permissions=["manage"])
    def send_again(
        self, request: HttpRequest, deliveries: QuerySet[WebhookDelivery]
    ) -> None:
        for delivery in deliveries.select_related("webhook"):
            try:
                is_new = acts.send_again(delivery, actor(request))
            except ParameterErrors as error:
                messages.warning(request, f"{delivery}: {_first(error)}")
                continue
            if is_new:
                text = gettext("%(message)s is sent again.")
                messages.success(request, text % {"message": delivery})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["may_manage"] = self.has_manage_permission(request)
        context["checkbox"] = ACTION_CHECKBOX_NAME
        return super().render_change_form(request, context, *args, **kwargs)


def said_of(attempt: dict[str, Any]) -> str:
    """Return what came of an attempt, as a sentence."""
    parts = [attempt["error"], attempt["note"]]
    said = [localized(Reason.of(part)) for part in parts if part]
    return " ".join(said) or f"{attempt['status']}"
