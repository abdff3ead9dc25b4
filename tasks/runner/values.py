"""What stands for the placeholders in a task's commands, and which of it is secret."""

import json
import uuid
from collections.abc import Mapping

from tasks.catalog.task_type import TaskType
from tasks.secrets.masking import MASK, Masks

# Where the secrets that steps named (``::add-mask::``) lie among those of parameters,
# whose names have no colons.
ADDED_MASKS = "::add-mask::"


class Values:
    """The values of a task's placeholders.

    real   those that its programs are given
    shown  those that people see. What is shown is made of these: of a secret that was
           quoted, escaped or cut first, nobody could tell any more that it is one.
    masks  hide the secrets in what is printed
    """

    def __init__(
        self, task_id: uuid.UUID, kind: TaskType, params: Mapping[str, str]
    ) -> None:
        self._secrets = kind.secrets(params)
        self.real = kind.placeholders(task_id, params)
        hidden = {name: MASK for name, secret in self._secrets.items() if secret}
        self.shown = {**self.real, **hidden}
        self.masks = Masks(self._secrets.values())

    @property
    def to_keep(self) -> dict[str, str]:
        """Return the secrets that whoever goes on with the task has to know, where its
        steps named some; else they are known."""
        if not self.masks.added:
            return {}
        return {**self._secrets, ADDED_MASKS: json.dumps(self.masks.added)}
