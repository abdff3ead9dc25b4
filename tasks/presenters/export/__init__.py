"""A task as one HTML file, which is kept, opens without the service and checks itself.

docs/decisions/0052-an-export-checks-itself-and-the-server-signs-it.md
"""
