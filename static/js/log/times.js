// What stands before a line: nothing, the time of day, or the time since the start or
// since the line before.

import { clock } from "../text.js";

export const MODES = ["off", "clock", "start", "previous"];

export function timeOf(line, mode, { started, previous }) {
  const at = Date.parse(line.timestamp);
  if (mode === "clock") return clock(new Date(at), { milliseconds: true });
  if (mode === "start") return started ? `+${span(at - started)}` : "";
  if (mode === "previous") {
    return previous ? `+${span(at - Date.parse(previous.timestamp))}` : "";
  }
  return "";
}

// 0.250, 12.345, 2:14.500, 1:02:03.400: as long as it has to be, and always comparable.
function span(milliseconds) {
  const whole = Math.max(0, Math.round(milliseconds));
  const seconds = Math.floor(whole / 1000);
  const rest = `.${String(whole % 1000).padStart(3, "0")}`;
  if (seconds < 60) return `${seconds}${rest}`;
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}${rest}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}${rest}`;
}
