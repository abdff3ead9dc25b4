"""Static files under names that change with what is in them, modules' imports too."""

from django.contrib.staticfiles import apps
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesConfig(apps.StaticFilesConfig):
    """Django's, without what no page of ours refers to: half of the 34 MB, and of the
    seconds that the first start takes for them."""

    ignore_patterns = [
        *apps.StaticFilesConfig.ignore_patterns,
        "redoc",
        "rest_framework",
        "gis",
    ]


class Storage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Served to be kept for years: a file that changes has another name, and so has
    every module that imports it."""

    support_js_module_import_aggregation = True
    # Our own modules: looking for imports in the libraries' takes seconds.
    _js_module_import_aggregation_patterns = (
        "js/*.js",
        CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1],
    )
    max_post_process_passes = 20
