"""What pages of releases have in common: platforms' names, and how long they wait."""

from resources.releases.current import all_platforms

# The page does not wait for a store that is slow: what it says comes a little later.
PATIENCE_SECONDS = 0.3


def title_of(platform: str) -> str:
    return all_platforms().get(platform, platform)


def is_platform(name: str) -> bool:
    return name in all_platforms()
