"""Tasks as the pages and the admin show them to people."""
