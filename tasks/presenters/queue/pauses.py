"""What is paused, and by whom, as people read it."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from tasks.access.actor import Actor
from tasks.models import QueuePause
from tasks.presenters.names import person, title_of_type
from tasks.queue.pauses import pauses


@dataclass(frozen=True)
class ShownPause:
    """A pause for a banner, and whether its reader may end it."""

    pause: QueuePause
    may_resume: bool

    @property
    def sentence(self) -> str:
        if not self.pause.type:
            text = _("The queue is paused by {name}. What runs goes on.")
        else:
            text = _("{type} is paused by {name}. What runs goes on.")
        title = title_of_type(self.pause.type) if self.pause.type else ""
        return text.format(name=person(self.pause.paused_by), type=title)


def shown_pauses(actor: Actor) -> list[ShownPause]:
    """Return what is paused, the whole queue first."""
    may_resume = actor.rights.is_admin
    return [ShownPause(pause, may_resume) for pause in pauses()]


def said_pause(pause: QueuePause) -> str:
    """Return why tasks wait that are paused."""
    text = (
        _("This type is paused by {name}")
        if pause.type
        else _("The queue is paused by {name}")
    )
    said = text.format(name=person(pause.paused_by))
    return f"{said}: {pause.reason}" if pause.reason else said
