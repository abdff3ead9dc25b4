// The releases: what is live and was, kept true while one looks.

import { mountKeys } from "./keys.js";
import { refreshLive, refreshSoon } from "./live.js";
import { mountLivePage } from "./live_page.js";

const STORE_ASKED_AGAIN_MS = 3_000;
const MINUTE_MS = 60_000; // in which the ribbon and how long it is live go on

mountKeys({});
mountLivePage({
  address: () => `/live/releases${location.search}`,
  changed({ what }) {
    if (what !== "releases") return;
    refreshSoon();
    // Another process of the server may have read the store shortly before.
    setTimeout(refreshSoon, STORE_ASKED_AGAIN_MS);
  },
});
// So may the one that answered, before a release that ended just now.
setTimeout(refreshSoon, STORE_ASKED_AGAIN_MS);
setInterval(refreshSoon, MINUTE_MS);
setInterval(() => {
  if (!document.hidden && document.querySelector("[data-unanswered], [data-pending]")) refreshLive();
}, STORE_ASKED_AGAIN_MS);
