"""A task's parameters by the titles that its launch form has for them."""

from collections.abc import Mapping

from tasks.catalog.task_type import Parameter, TaskType
from tasks.models import Task
from tasks.representation import shown_params


def titled_params(task: Task, kind: TaskType | None) -> dict[str, str]:
    """Return the parameters without secrets and without the version, which the task's
    name has: values by title, both in the reader's language."""
    return titled(shown_params(task), kind)


def titled(params: Mapping[str, str], kind: TaskType | None) -> dict[str, str]:
    """Return the same of parameters without secrets."""
    known = {parameter.name: parameter for parameter in kind.params} if kind else {}
    return {
        _title(name, known, kind): _value(name, text, known, kind)
        for name, text in params.items()
        if name != "version"
    }


def _title(name: str, known: Mapping[str, Parameter], kind: TaskType | None) -> str:
    return kind.local(known[name].title) if kind and name in known else name


def _value(
    name: str, text: str, known: Mapping[str, Parameter], kind: TaskType | None
) -> str:
    """Return a value as it was chosen, where it was one of several."""
    if kind is None or name not in known:
        return text
    return kind.local(known[name].labels.get(text, text))
