"""The pages that people use: the console, the history, a task, a comparison."""
