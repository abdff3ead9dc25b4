// How many lines each log had when this browser left it, for who comes back to it.

import { remember, remembered } from "../theme_switch.js";

const KEY = "log.left";
const MOST = 100; // logs

// 0 of a log where nobody has been.
export function leftAt(task) {
  return all().find(([id]) => id === task)?.[1] ?? 0;
}

export function leave(task, total) {
  const others = all().filter(([id]) => id !== task);
  remember(KEY, JSON.stringify([...others, [task, total]].slice(-MOST)));
}

function all() {
  try {
    return JSON.parse(remembered(KEY) ?? "[]");
  } catch {
    return [];
  }
}
