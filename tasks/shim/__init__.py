"""Starts programs for a runner, each under a shim that ends all that came of it.

Of Django only the runner's side of it (``client``) knows.
"""
