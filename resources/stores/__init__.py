"""Where releases are published: a folder or a bucket, with the same promises."""
