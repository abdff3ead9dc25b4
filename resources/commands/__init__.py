"""The commands of the engine that are more than a call."""
