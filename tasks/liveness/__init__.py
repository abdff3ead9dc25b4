"""Whether a runner lives, as the kernel of its machine says it: by its process, where
that can be seen, or by its lock file."""
