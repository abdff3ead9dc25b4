"""Lines of ended tasks, packed."""

from django.db import models


class LogBlock(models.Model):
    """Neighbouring lines of an ended task, compressed: in a tenth of their room.

    Blocks of a task hold its first lines, the table of lines those behind them. A line
    is in one of the two: it is moved in one transaction.
    """

    pk = models.CompositePrimaryKey("task_id", "last_seq")
    task_id = models.UUIDField()
    last_seq = models.PositiveBigIntegerField()
    first_seq = models.PositiveBigIntegerField()  # no number between them is missing
    # Apart, so that who asks for times or levels reads a tenth; see tasks.logs.blocks.
    stamps = models.BinaryField()
    messages = models.BinaryField()

    class Meta:
        verbose_name = "log block"

    def __str__(self) -> str:
        return f"{self.task_id} {self.first_seq}–{self.last_seq}"
