"""Tasks that await an approval, as pages show them."""
