// The releases: what is live and was, kept true while one looks.

import { mountKeys } from "./keys.js";
import { refreshLive, refreshOnceMore, refreshSoon, STORE_ASKED_AGAIN_MS } from "./live.js";
import { mountLivePage } from "./live_page.js";

const MINUTE_MS = 60_000; // in which the ribbon and how long it is live go on

mountKeys({});
mountLivePage({
  address: () => `/live/releases${location.search}`,
  changed({ what }) {
    if (what !== "releases") return;
    refreshSoon();
    refreshOnceMore();
  },
});
refreshOnceMore();
setInterval(refreshSoon, MINUTE_MS);
setInterval(() => {
  if (!document.hidden && document.querySelector("[data-unanswered], [data-pending]")) refreshLive();
}, STORE_ASKED_AGAIN_MS);
