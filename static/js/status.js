// The statuses of tasks that nothing follows.

export const ENDED = new Set(["completed", "failed", "cancelled"]);
