"""What programs print: pipes, lines, commands among them, outputs, causes."""
