"""The texts of the task types that come with the product, for their translation.

Pages translate the titles and names that task_types.toml gives; what a studio wrote
itself is in the language that it wrote it in.
"""

from django.utils.translation import gettext_noop

TEXTS = (
    gettext_noop("Check integrity"),
    gettext_noop("Verify every file of a version against its manifests"),
    gettext_noop("iOS manifest"),
    gettext_noop("Android manifest"),
    gettext_noop("Facebook manifest"),
    gettext_noop("Sync Facebook"),
    gettext_noop(
        "Publish a version for Facebook: content, then manifest, then pointer"
    ),
    gettext_noop("Sync native"),
    gettext_noop("Publish a version for iOS and Android"),
    gettext_noop("Update reuse"),
    gettext_noop("Record files already present in earlier versions"),
    gettext_noop("Full sync"),
    gettext_noop("The whole release: check, reuse, sync, verify the store, publish"),
    gettext_noop("Check sources"),
    gettext_noop("Verify the store"),
    gettext_noop("Check what lies in the store"),  # what that step was called before
    gettext_noop("Publish all platforms"),
    gettext_noop("Compare the store with its manifests, by size or byte by byte"),
    gettext_noop("Repair"),
    gettext_noop(
        "Upload damaged files of a version again, where the source still has them"
    ),
    gettext_noop("Roll back"),
    gettext_noop("Make an earlier version live again: only the pointers move"),
    gettext_noop("Prune"),
    gettext_noop("Remove old versions from the store, keeping every file still in use"),
    gettext_noop("Version"),
    gettext_noop("Change limit (percent of files)"),
    gettext_noop("Reuse of earlier files"),
    gettext_noop(
        "Stops before writing anything if more than this share of files would be "
        "removed or changed. 100 turns it off."
    ),
    gettext_noop("Allow files that the manifest does not list"),
    gettext_noop(
        "A sync does not publish such files, so it stops unless this is allowed."
    ),
    gettext_noop("Allow an older version"),
    gettext_noop(
        "Live versions only move forward, and so do the numbers that Cocos clients "
        "compare. To return to an earlier version, roll back."
    ),
    gettext_noop("Platforms"),
    gettext_noop("Read every byte"),
    gettext_noop("Versions to keep"),
    gettext_noop("Allow removing more than half"),
    # choices
    gettext_noop("yes"),
    gettext_noop("no"),
    gettext_noop("all"),
    gettext_noop("refer"),
    gettext_noop("copy"),
)
