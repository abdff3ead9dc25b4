"""Secret values of parameters: sealed in the database, masked in every text."""
