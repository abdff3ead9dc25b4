"""What is asked when a key is made."""

from datetime import date
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks.catalog.loader import catalog
from tasks.models import ApiKey, parse_networks

if TYPE_CHECKING:
    KeyModelForm = forms.ModelForm[ApiKey]
else:  # generic for the type checker only
    KeyModelForm = forms.ModelForm

SCOPES = [
    (ApiKey.Scope.READ, _("read: see everything, change nothing")),
    (ApiKey.Scope.START, _("start: also start tasks, cancel and pin its own")),
    (ApiKey.Scope.CANCEL, _("cancel: also cancel anybody's tasks")),
    (ApiKey.Scope.APPROVE, _("approve: also decide on tasks that wait for approval")),
    (ApiKey.Scope.ADMIN, _("admin: everything, also roll back and prune")),
]


def scopes() -> list[tuple[str, Any]]:
    """Return what a key can be given; each type can be started by a key of its own."""
    text = gettext("start:%(type)s: also start this type, and no other")
    types = [(f"start:{name}", text % {"type": name}) for name in catalog()]
    return [*SCOPES, *types]


class NewKeyForm(KeyModelForm):
    scope = forms.MultipleChoiceField(
        label=_("Scope"),
        choices=scopes,
        initial=[ApiKey.Scope.START],
        widget=forms.CheckboxSelectMultiple,
    )
    last_day = forms.DateField(
        label=_("Expires on"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Expires at the end of this day (UTC). Leave empty for no expiry."),
    )
    networks = forms.CharField(
        label=_("Allowed IPs"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 40}),
        help_text=_(
            "IP addresses or CIDRs, one per line, such as 10.0.0.0/8. Leave empty to "
            "allow any."
        ),
    )

    class Meta:
        model = ApiKey
        fields = ("name",)

    def clean_last_day(self) -> date | None:
        day: date | None = self.cleaned_data["last_day"]
        if day is not None and not timezone.now().date() <= day < date.max:
            raise forms.ValidationError(_("This day is in the past."))
        return day

    def clean_networks(self) -> str:
        text: str = self.cleaned_data["networks"]
        try:
            return ", ".join(map(str, parse_networks(text)))
        except ValueError as error:
            message = _("Not valid IP addresses or CIDRs: %(reason)s")
            raise forms.ValidationError(message % {"reason": error}) from error

    def save(self, commit: bool = True) -> Any:
        """Return the key as it is: tasks.access.api_keys makes and records it."""
        return self.instance

    def save_m2m(self) -> None:
        """There is nothing more to save."""
