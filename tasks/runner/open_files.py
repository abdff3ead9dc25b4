"""The limit of open files (``ulimit -n``), compared with what a runner will need."""

import resource

FILES_OF_A_RUNNER = 64  # the database, sockets, logs, and what is open for a moment
FILES_OF_A_TASK = 4  # two pipes and a connection, and one end more while it starts


class TooFewOpenFiles(Exception):
    """So many tasks at a time would fail for want of files; the message says how many
    would not."""


def make_room_for(concurrency: int) -> None:
    """Raise the soft limit as far as so many tasks at a time need it.

    Raises TooFewOpenFiles where the hard limit does not allow that.
    """
    needed = FILES_OF_A_RUNNER + FILES_OF_A_TASK * concurrency
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if is_enough(soft, needed):
        return
    if not is_enough(hard, needed):
        most = max(0, (hard - FILES_OF_A_RUNNER) // FILES_OF_A_TASK)
        raise TooFewOpenFiles(
            f"{concurrency} tasks at a time need {needed:,} open files, and this "
            f"process may open {hard:,} (ulimit -n): raise that, or run at most {most}."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def is_enough(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
