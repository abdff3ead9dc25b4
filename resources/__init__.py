"""The release engine: checks, publishes and reuses files of game versions.

Plain Python: it knows neither the web service nor its database, and is started as a
program, ``python -m resources``; see ``cli.py`` for the commands.
"""
