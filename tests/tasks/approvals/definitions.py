"""Task types that ask, for tests of approvals."""

TYPES = """
[release]
approvers = ["leads"]
lock = "publish"
[release.params.version]
pattern = "v[0-9]+"
[[release.steps]]
name = "Plan"
command = ["sh", "-c", '''
echo planned
echo ::set-output name=plan::{version}
echo '::summary::# {version}'
''']
[[release.steps]]
name = "Agree"
approval = {not_self = true, timeout = "24h", message = "Roll out {version}?"}
[[release.steps]]
name = "Roll out"
command = ["sh", "-c", '''
echo approved=$APPROVED_SHA256
echo ::set-output name=done::yes
''']

[twice]
[[twice.steps]]
name = "First"
approval = {by = ["leads"]}
[[twice.steps]]
name = "Between"
command = ["sh", "-c", "it=hunter$((1 + 1)); echo ::add-mask::$it; echo $it"]
[[twice.steps]]
name = "Second"
approval = {by = ["leads"], release_lock = true}
[[twice.steps]]
name = "Last"
command = ["sh", "-c", "echo hunter$((1 + 1))"]

[other]
lock = "publish"
[[other.steps]]
command = ["true"]

[newest]
lock = "newest"
lock_order = "newest"
[[newest.steps]]
approval = {by = ["leads"]}
[[newest.steps]]
command = ["true"]

[latest]
lock = "latest"
lock_order = "latest-only"
[[latest.steps]]
approval = {by = ["leads"], release_lock = true}
[[latest.steps]]
command = ["true"]

[flaky]
[[flaky.steps]]
name = "Agree"
approval = {by = ["leads"]}
[[flaky.steps]]
name = "Fail"
command = ["sh", "-c", "echo $APPROVED_SHA256; exit {code}"]
[flaky.params.code]
default = "1"

[slow]
idempotent = true
timeout = "1h"
[[slow.steps]]
name = "Plan"
command = ["true"]
[[slow.steps]]
name = "Agree"
approval = {by = ["leads"]}
[[slow.steps]]
name = "Sleep"
command = ["sh", "-c", "echo ready; test -e $0 && exit; exec sleep 1000", "{gate}"]
[slow.params.gate]
default = "/nowhere"
"""
