"""The client ``resource-sync``: plain Python 3.9 and newer, imported by no other room.

The service joins these modules into the one file that ``GET /client`` hands out
(tasks/api/client_file.py), so each imports from the others only ``from client.x import
names``, and no two of them define the same name.
"""
