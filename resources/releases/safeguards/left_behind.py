"""Files of a build that its manifest doesn't list, and that a sync would leave."""

from __future__ import annotations

from resources.errors import DifferenceError
from resources.files.ignored import Ignored
from resources.manifests.detect import list_names
from resources.releases.check import Found, Problems, find_extra, found_in
from resources.releases.source import SourceRelease
from resources.report import Report, counted


def find_left(release: SourceRelease) -> Found:
    """Look for files without an entry.

    Lists of the files are no part of a build, nor is what no manifest would list
    (``.DS_Store``, secrets).
    """
    lists, ignored = set(list_names(release.tree)), Ignored(release.tree)
    paths = find_extra(release.tree, release, ignored.leaves_out)
    return found_in(0, (f"EXTRA {path}" for path in paths if path not in lists))


def require_nothing_left(
    release: SourceRelease, found: Found, report: Report, *, allow_extra: bool
) -> None:
    """Name the files that ``find_left`` found, as a check does. Raises DifferenceError
    where there are any, unless that is allowed."""
    if not found.problems:
        return
    problems = Problems(report)
    problems.add(found, is_warning=allow_extra)
    problems.close()
    files = counted(found.problems, "file")
    if allow_extra:
        line = f"Leaving {files} behind, which the manifest does not list."
        report.warn(line, line)
        return
    raise DifferenceError(
        f"{files} in {release.tree.root} would be left behind: the manifest of"
        f" {release.version} of {release.platform} does not list"
        f" {'it' if found.problems == 1 else 'them'}. If that is meant, run it with"
        ' --allow-extra (task parameter "allow_extra").'
    )
