"""Django's backends for SQLite and PostgreSQL, with what this service needs of them."""
