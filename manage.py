#!/usr/bin/env python
"""The door to every management command."""

import os
import sys

from resource_sync.gc_pause import gc_paused
from resource_sync.private_files import refuse_another_account

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "resource_sync.settings")
    with gc_paused():
        import django
        from django.conf import settings
        from django.core.management import execute_from_command_line
        from django.db import InterfaceError, OperationalError

        refuse_another_account(settings)
        django.setup()
    try:
        execute_from_command_line(sys.argv)
    except (InterfaceError, OperationalError) as error:
        if "--traceback" in sys.argv:
            raise
        from tasks.notifications import why_unreachable

        sys.exit(f"CommandError: The database can't be used: {why_unreachable(error)}")
