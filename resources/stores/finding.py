"""What a probe of a store finds out."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that a store does or doesn't.

    ``name`` is for programs, ``text`` a sentence for people; ``works`` is None where it
    could not be tried. ``needed`` says that nothing can be published without it.
    """

    name: str
    works: bool | None
    text: str
    needed: bool = False
