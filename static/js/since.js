// What has gone on since a moment ("No output since 17:15:30 (6 s)"), in the reader's zone.

import { clock, text, ticking } from "./text.js";

// Each place has data-saying and data-since (seconds since 1970; none while there is
// nothing to say), and may have data-who and data-grace: how many seconds behind that
// moment its processes are killed. now: the server's, in milliseconds.
export function refreshSince(root, now) {
  for (const place of root.querySelectorAll("[data-since]:not([data-since=''])")) {
    const { saying, since, who: name, grace } = place.dataset;
    const began = since * 1000;
    const time = clock(new Date(began));
    const said = text(saying, { time, duration: ticking(now - began), name });
    const left = grace ? began + grace * 1000 - now : 0;
    const killed = left > 0 ? ` · ${text("killedIn", { time: ticking(left + 999) })}` : "";
    place.textContent = said + killed;
  }
}
