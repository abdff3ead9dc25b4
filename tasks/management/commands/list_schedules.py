"""``manage.py list_schedules``: what starts by itself, and when."""

from typing import Any

from tasks.management.options import TaskCommand
from tasks.models import Schedule
from tasks.schedules.representation import describe_all


class Command(TaskCommand):
    help = "List schedules by name, each with its next run (UTC)."

    def handle(self, *_: Any, **options: Any) -> None:
        for shown in describe_all(list(Schedule.objects.with_last_run())):
            if options["json"]:
                self.say_json(shown)
                continue
            following = shown["nextRuns"][0]["at"][:16] if shown["nextRuns"] else "–"
            last = shown["lastRun"]
            told = (last["status"] or last["outcome"]) if last else "–"
            self.say(
                f"{shown['name']:24}  {shown['state']:8}  {following:16}  "
                f"{told:10}  {shown['type']}  {shown['cron']} {shown['timezone']}"
            )
