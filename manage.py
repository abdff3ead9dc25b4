#!/usr/bin/env python
"""The door to every management command."""

import os
import sys

from resource_sync.garbage import imports_are_no_garbage

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "resource_sync.settings")
    with imports_are_no_garbage():
        import django
        from django.core.management import execute_from_command_line

        django.setup()
    execute_from_command_line(sys.argv)
