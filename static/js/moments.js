// Times of day as people read them in the reader's own zone; the server wrote UTC.

import { exact } from "./text.js";

export function showMoments(root = document) {
  const year = String(new Date().getFullYear());
  for (const element of root.querySelectorAll("time[data-moment]")) {
    const whole = exact(new Date(element.dateTime));
    element.title = whole;
    // A year that is this one goes without saying, and so do seconds.
    element.textContent = whole.slice(whole.startsWith(`${year}-`) ? 5 : 0, 16);
  }
}
