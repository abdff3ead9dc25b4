"""Task types for tests of the queue's rules."""

TYPES = """
[import]
lock = "import"
lock_order = "latest-only"
[import.params.version]
pattern = "v[0-9]+"
[[import.steps]]
command = ["true"]

[preview]
lock = "import"
lock_order = "newest"
[preview.params.version]
pattern = "v[0-9]+"
[[preview.steps]]
command = ["true"]

[undo]
lock = "import"
[[undo.steps]]
command = ["true"]

[chain]
[chain.params.version]
pattern = "v[0-9]+"
[chain.params.guard]
default = "20"
[[chain.steps]]
name = "Fetch"
command = ["sh", "-c", "echo '::set-output name=fetched::{version}'"]
[[chain.steps]]
name = "Pack"
command = ["sh", "-c", "echo '::set-output name=packed::yes'"]
[[chain.steps]]
name = "Check"
command = ["sh", "-c", "echo '::set-output name=checked::{guard}'; test {guard} -gt 25"]
"""
