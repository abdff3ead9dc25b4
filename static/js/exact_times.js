// Times of records in the reader's own zone, with its name; in UTC on hover.

import { exact, language } from "./text.js";

export function showExactTimes() {
  for (const element of document.querySelectorAll("time[data-exact]")) {
    const moment = new Date(element.dateTime);
    element.title = `${element.textContent} · ${element.title}`;
    element.textContent = `${exact(moment)} ${zoneAt(moment)}`;
  }
}

// "UTC", "GMT+8": a zone has other names in summer.
function zoneAt(moment) {
  const format = new Intl.DateTimeFormat(language, { timeZoneName: "short" });
  return format.formatToParts(moment).find(({ type }) => type === "timeZoneName").value;
}
