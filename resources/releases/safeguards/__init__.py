"""Safeguards that refuse a version, each before anything is written."""
