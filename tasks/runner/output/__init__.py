"""Output of programs: pipes, lines, commands among them, outputs, causes."""
