"""What moves a channel's pointer: publish, promote, rollout, rollback."""
