"""A release as players see it, acted out; benchmarks/delivery.py tells it."""
