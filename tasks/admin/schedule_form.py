"""What is asked when somebody makes or changes a schedule."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks.catalog.loader import catalog
from tasks.catalog.schedules import SCHEDULE_NAME
from tasks.catalog.task_type import ParameterErrors
from tasks.models import Schedule
from tasks.schedules.wording import cron_problem, zone_problem

if TYPE_CHECKING:
    ScheduleModelForm = forms.ModelForm[Schedule]
else:  # generic for the type checker only
    ScheduleModelForm = forms.ModelForm


def types() -> list[tuple[str, str]]:
    return [
        (kind.name, f"{kind.local(kind.title)} ({kind.name})")
        for kind in catalog().values()
        if not kind.hidden
    ]


def as_lines(params: dict[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in params.items())


class ScheduleForm(ScheduleModelForm):
    type = forms.ChoiceField(label=_("Type"), choices=types)
    params = forms.CharField(
        label=_("Parameters"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 40, "spellcheck": "false"}),
        help_text=_("One per line, such as version=v885. The rest has its defaults."),
    )

    class Meta:
        model = Schedule
        fields = (
            "name", "type", "cron", "timezone", "params", "overlap", "catch_up",
        )  # fmt: skip
        help_texts = {
            "name": _("Small letters, digits and dashes, such as nightly-check."),
            "cron": _(
                "Minute, hour, day of the month, month, day of the week: 0 3 * * * is "
                "each day at 3:00."
            ),
            "timezone": _("In which the hours are meant, such as Europe/Berlin."),
            "overlap": _("When it is due and its last task still runs or waits."),
            "catch_up": _("Runs for which no runner was there in time."),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial["params"] = as_lines(self.instance.params)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not SCHEDULE_NAME.fullmatch(name):
            text = _("A name is small letters, digits and dashes.")
            raise forms.ValidationError(text)
        others = Schedule.objects.standing().exclude(pk=self.instance.pk)
        if others.filter(name=name).exists():
            raise forms.ValidationError(_("There is a schedule of that name."))
        return name

    def clean_cron(self) -> str:
        text: str = " ".join(self.cleaned_data["cron"].split())
        if problem := cron_problem(text):
            raise forms.ValidationError(problem)
        return text

    def clean_timezone(self) -> str:
        name: str = self.cleaned_data["timezone"].strip()
        if problem := zone_problem(name):
            raise forms.ValidationError(problem)
        return name

    def clean_params(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, self._typed("params"))):
            name, sign, value = line.partition("=")
            if not sign:
                text = _("“%(line)s” is no parameter; write it as name=value.")
                raise forms.ValidationError(text % {"line": line[:100]})
            found[name.strip()] = value.strip()
        return found

    def _typed(self, field: str) -> list[str]:
        text: str = self.cleaned_data[field]
        return text.splitlines()

    def clean(self) -> dict[str, Any]:
        """The parameters are those of the type."""
        asked: dict[str, Any] = super().clean() or {}
        kind, params = catalog().get(asked.get("type", "")), asked.get("params")
        if kind is None or params is None:
            return asked
        for name in kind.secrets(params):
            text = gettext("“%(name)s” is secret, and a schedule keeps no secrets.")
            self.add_error("params", text % {"name": name})
        try:
            kind.validated(params)
        except ParameterErrors as error:
            for name, texts in error.errors.items():
                self.add_error("params", f"{name}: {' '.join(texts)}")
        return asked

    def save(self, commit: bool = True) -> Any:
        """Return it as it is: tasks.schedules.acts stores and records it."""
        return self.instance

    def save_m2m(self) -> None:
        """There is nothing more to save."""
