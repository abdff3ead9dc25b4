"""Authentication, rights and rate limits, and the signing in of people."""
