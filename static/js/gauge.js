// How far a task is: in percent where that is known, else its time beside the usual one.

import { text, ticking } from "./text.js";

// Not before it has begun, nor where its one step has reported none: as
// tasks/presenters/task.py has it.
function isKnown({ status, startedAt, progress, step }) {
  return Boolean(startedAt) && status !== "pending" && (progress > 0 || step.count > 1);
}

// part(name): the element of that name
export function showGauge(part, task) {
  part("progress").value = task.progress;
  part("percent").textContent = `${task.progress} %`;
  for (const name of ["progress", "percent"]) part(name).hidden = !isKnown(task);
  part("against").hidden = isKnown(task);
}

// How many seconds a task still takes; null where it takes longer than usual. As
// tasks/estimates.py has it: the further it is, the more its own pace counts.
function secondsLeft(elapsed, usual, progress) {
  if (progress < 10) return usual > elapsed ? usual - elapsed : null;
  const rest = 1 - progress / 100;
  return rest * (elapsed + rest * usual);
}

// How long a task still takes, or that it takes longer than usual; as Shown.time_left in
// tasks/presenters/task.py. In milliseconds, as below; "" where nobody knows.
export function timeLeft(elapsed, usual, progress) {
  if (!usual) return "";
  const left = secondsLeft(elapsed / 1000, usual / 1000, progress);
  const time = ticking(1000 * Math.max(1, Math.round(left ?? usual / 1000)));
  return text(left === null ? "longerThanUsual" : "timeLeft", { time });
}

// How long it has run, beside what is usual.
export function againstUsual(elapsed, usual) {
  if (!usual) return "";
  const times = { time: elapsed, usual };
  for (const name in times) times[name] = ticking(Math.max(1000, times[name]));
  return text("ofUsually", times);
}
