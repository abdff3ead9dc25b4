"""A store in a bucket: S3, Google, Azure and what speaks like them."""
