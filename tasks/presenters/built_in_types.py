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
    gettext_noop("Write down which files of a version lie in earlier ones already"),
    gettext_noop("Full sync"),
    gettext_noop(
        "The whole release: check, reuse, sync, check what lies in the store, publish"
    ),
    gettext_noop("Check sources"),
    gettext_noop("Check what lies in the store"),
    gettext_noop("Publish all platforms"),
    gettext_noop("Check the store"),
    gettext_noop(
        "Compare what lies in the store with its manifests: sizes, or every byte"
    ),
    gettext_noop("Repair"),
    gettext_noop(
        "Send again what is damaged of a version in the store, where the source still"
        " has it"
    ),
    gettext_noop("Roll back"),
    gettext_noop("Serve an earlier version again: the pointers move, and nothing else"),
    gettext_noop("Prune"),
    gettext_noop(
        "Remove old versions from the store, and no file that is still needed"
    ),
    gettext_noop("Version"),
    gettext_noop("Guard: percent of files that may change"),
    gettext_noop("Files of earlier versions"),
    gettext_noop(
        "It stops before anything is written where more would be dropped or changed; "
        "100 lets any change pass."
    ),
    gettext_noop("Allow files that the manifest does not list"),
    gettext_noop("A sync leaves them behind, so it stops unless that is meant."),
    gettext_noop("Allow an older version"),
    gettext_noop(
        "What is served only moves forward, also by the numbers that Cocos clients "
        "compare; to go back to what was served before, roll back."
    ),
    gettext_noop("Platforms"),
    gettext_noop("Read every byte"),
    gettext_noop("Newest versions that stay"),
    gettext_noop("Remove more than half, too"),
)
