"""What players get: how a store is served to them."""
