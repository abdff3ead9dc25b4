"""What differs between two versions, and what players download for it."""
