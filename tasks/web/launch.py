"""The forms that start a task, made from the types' parameter schemas; and the links
that open one filled in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Min
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks import lifecycle
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import ParameterErrors, TaskType
from tasks.lifecycle import Actor
from tasks.models import Schedule, Task
from tasks.presenters.links import RERUN_OF, deep_link
from tasks.presenters.names import name_of
from tasks.presenters.queue.overrides import FIELD, Override, reason_in
from tasks.queue.freezes import Window, active_freezes, freeze_of
from tasks.representation import shown_params

# No parameter's name has a hyphen, so this can't be taken for one.
TYPED_AGAIN = "typed-again"
FEW_CHOICES = 3  # are shown side by side
FEW_TYPES = 5
MOST_RECENT, LOOKED_AT = 3, 30  # types; tasks that are looked at for them


@dataclass(frozen=True)
class Field:
    """One input of a launch form."""

    name: str
    schema: dict[str, Any]
    required: bool
    value: str
    errors: list[str]
    choices: list[tuple[str, str]]  # a value, and what people read in its place

    pattern: str | None = None  # as people read it; the schema's is anchored
    was: str | None = None  # in the task that is run again

    @property
    def is_secret(self) -> bool:
        return bool(self.schema.get("writeOnly"))

    @property
    def example(self) -> str:
        return str(self.schema.get("examples", [""])[0])

    @property
    def suggest(self) -> dict[str, Any] | None:
        """Return which versions are offered for it, as its schema says that."""
        return self.schema.get("x-suggest")

    @property
    def is_switch(self) -> bool:
        """Return whether it says yes or no and nothing else."""
        return [choice for choice, _label in self.choices] == ["no", "yes"]

    @property
    def has_few_choices(self) -> bool:
        return 0 < len(self.choices) <= FEW_CHOICES

    @property
    def is_changed(self) -> bool:
        return self.was is not None and self.was != self.value

    @property
    def default_label(self) -> str:
        """Return what people read of the value that is taken where none is given."""
        default = str(self.schema.get("default", ""))
        return dict(self.choices).get(default, default)


@dataclass(frozen=True)
class LaunchForm:
    """One task type's form, made from its parameter schema."""

    kind: TaskType
    fields: list[Field]
    is_chosen: bool
    rerun_of: Task | None = None
    confirm_errors: tuple[str, ...] = ()
    frozen: Override | None = None  # what keeps it from being started now
    may_override: bool = False
    next_run: datetime | None = None  # when a schedule starts it next

    @property
    def title(self) -> str:
        return self.kind.local(self.kind.title)

    @property
    def description(self) -> str:
        return self.kind.local(self.kind.description)

    @property
    def group(self) -> str:
        return self.kind.local(self.kind.group)

    @property
    def rerun_name(self) -> str:
        return name_of(self.rerun_of) if self.rerun_of else ""

    @property
    def step_names(self) -> list[str]:
        return [self.kind.local(step.name) for step in self.kind.steps]

    @property
    def asks_for_version(self) -> bool:
        """Return whether it is the version that is typed again, or else the type's
        name."""
        return any(
            field.name == "version" and not field.is_secret for field in self.fields
        )


def launch_forms(
    actor: Actor,
    chosen: str,
    given: Mapping[str, str],
    errors: Mapping[str, list[str]],
) -> list[LaunchForm]:
    """A form for each type that is not hidden and that they may start; the chosen
    one's carries values."""
    kinds = [
        kind for kind in catalog().values() if not kind.hidden and actor.may_start(kind)
    ]
    freezes, due = active_freezes(timezone.now()), _due_next()
    forms = (
        _chosen_form(kind, given, errors)
        if kind.name == chosen
        else LaunchForm(kind, _fields(kind, given, {}), is_chosen=False)
        for kind in kinds
    )
    return [
        replace(
            form,
            frozen=_frozen(form.kind, freezes),
            may_override=actor.rights.is_admin,
            next_run=due.get(form.kind.name),
        )
        for form in forms
    ]


def _frozen(kind: TaskType, freezes: Iterable[Window]) -> Override | None:
    window = freeze_of(kind.name, freezes)
    return Override(window) if window else None


def _due_next() -> dict[str, datetime]:
    """Return, of each type, when a schedule starts it next."""
    by_type = Schedule.objects.active().order_by().values_list("type")
    return dict(by_type.annotate(Min("next_run_at")))


def _chosen_form(
    kind: TaskType, given: Mapping[str, str], errors: Mapping[str, list[str]]
) -> LaunchForm:
    first = _task_of(kind, given.get(RERUN_OF, ""))
    return LaunchForm(
        kind,
        _fields(kind, given, errors, shown_params(first) if first else None),
        is_chosen=True,
        rerun_of=first,
        confirm_errors=tuple(errors.get(TYPED_AGAIN, ())),
    )


@dataclass(frozen=True)
class TypeGroup:
    """Some types under one heading of the list."""

    title: str
    forms: list[LaunchForm]


def grouped(forms: list[LaunchForm], actor: Actor) -> list[TypeGroup]:
    """Return the list of what may be started: first what this person started last, then
    the types' groups in the order of the file. A few types stand under no heading."""
    if len(forms) <= FEW_TYPES:
        return [TypeGroup("", forms)] if forms else []
    by_name = {form.kind.name: form for form in forms}
    recent = [by_name[name] for name in _started_by(actor) if name in by_name]
    groups: dict[str, list[LaunchForm]] = {}
    for form in forms:
        groups.setdefault(form.group or _("Other"), []).append(form)
    found = [TypeGroup(_("Recent"), recent)] if recent else []
    return [*found, *(TypeGroup(title, forms) for title, forms in groups.items())]


def _started_by(actor: Actor) -> list[str]:
    """Return the types that somebody started last, the newest first."""
    own = Task.objects.filter(created_by=actor.name).newest_first()
    names = own.values_list("type", flat=True)[:LOOKED_AT]
    return list(dict.fromkeys(names))[:MOST_RECENT]


def _fields(
    kind: TaskType,
    given: Mapping[str, str],
    errors: Mapping[str, list[str]],
    was: Mapping[str, str] | None = None,
) -> list[Field]:
    required = kind.schema()["required"]
    return [
        Field(
            name=parameter.name,
            schema=parameter.schema(kind.local),
            choices=[
                (choice, kind.local(parameter.labels.get(choice, choice)))
                for choice in parameter.choices
            ],
            required=parameter.name in required,
            # A secret never comes back into a page.
            value=""
            if parameter.secret
            else given.get(parameter.name, parameter.default or ""),
            errors=errors.get(parameter.name, []),
            pattern=None if parameter.choices else parameter.pattern,
            was=None
            if was is None or parameter.secret
            else was.get(parameter.name, ""),
        )
        for parameter in kind.params
    ]


# --- Starting -----------------------------------------------------------------------


def start(form: QueryDict, actor: Actor) -> Task:
    """Start what a posted form asks for.

    Raises UnknownTaskType, Frozen, and ParameterErrors, in which TYPED_AGAIN stands for
    the confirmation.
    """
    kind = lifecycle.task_type(form.get("type", ""))
    params = _params(form)
    if kind.confirm:
        _check_confirmed(kind, params, form.get(TYPED_AGAIN, ""))
    first = _task_of(kind, form.get(RERUN_OF, ""))
    return lifecycle.submit(
        kind.name,
        params,
        actor,
        rerun_of=first,
        override_freeze=reason_in(form.dict()),
    )


def _params(given: QueryDict) -> dict[str, str]:
    """The parameters among a form's fields; an input left empty is one left out."""
    others = {"type", "csrfmiddlewaretoken", TYPED_AGAIN, RERUN_OF, FIELD}
    return {
        name: value
        for name, value in given.dict().items()
        if isinstance(value, str) and value and name not in others
    }


def _check_confirmed(kind: TaskType, params: dict[str, str], typed: str) -> None:
    errors: dict[str, list[str]] = {}
    try:
        kind.validated(params)
    except ParameterErrors as error:
        errors = error.errors
    has_version = any(p.name == "version" and not p.secret for p in kind.params)
    wanted = params.get("version", "") if has_version else kind.name
    if typed.strip() != wanted or not wanted:
        errors[TYPED_AGAIN] = [lifecycle.to_start(wanted or _("the version"))]
    if errors:
        raise ParameterErrors(errors)


def _task_of(kind: TaskType, task_id: str) -> Task | None:
    """The task of that type; None where there is none, or it is no id."""
    try:
        tasks = Task.objects.filter(type=kind.name)
        return tasks.filter(pk=task_id).first() if task_id else None
    except ValidationError:
        return None


def link_back(form: QueryDict) -> str:
    """The console with the values of a form that could not be taken just now."""
    type_name = form.get("type", "")
    if type_name not in catalog():
        return reverse("console")
    return deep_link(type_name, _params(form))
