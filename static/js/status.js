// The statuses of tasks: those that nothing follows, and the shape that each has.

export const ENDED = new Set(["completed", "failed", "cancelled"]);
export const SHAPES = {
  pending: "◌",
  running: "●",
  blocked: "◇",
  cancelling: "⊖",
  completed: "✓",
  failed: "✕",
  cancelled: "⊘",
};
