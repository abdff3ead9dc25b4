"""Static files under names that change with what is in them, modules' imports too."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class Storage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Served to be kept for years: a file that changes has another name, and so has
    every module that imports it."""

    support_js_module_import_aggregation = True
    max_post_process_passes = 20
