"""What options are where nobody says otherwise."""

from __future__ import annotations

# The guard: percent of the files served that a version may drop or change.
GUARD_PERCENT = 20
GUARD_OFF = 100  # all files may change, so nothing is compared

KEPT_VERSIONS = 10  # of the newest, by prune
SAMPLE_FILES = 200  # that verify-public fetches of each platform
# As long as caches may keep a pointer, and the time to fetch it anew.
PUBLIC_WAIT_SECONDS = 90
