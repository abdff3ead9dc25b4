// Keeps "3 min ago" true, and shows exact times in the reader's own zone.

import { showMoments } from "./moments.js";
import { ago, exact } from "./text.js";
import { tellZone, zone as own } from "./zone.js";

const REFRESH_MS = 10_000;

export function refreshTimes(root = document) {
  showMoments(root);
  for (const element of root.querySelectorAll("time[data-ago]")) {
    if (!element.dateTime) continue; // not known yet
    const moment = new Date(element.dateTime);
    element.textContent = ago(moment, Date.now());
    element.title = exact(moment);
  }
}

export function mountTimes() {
  const zone = document.querySelector("[data-zone]");
  if (zone) zone.textContent = own;
  tellZone();
  refreshTimes();
  setInterval(refreshTimes, REFRESH_MS);
}
