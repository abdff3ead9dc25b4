// The releases: what is live and was, kept true while one looks.

import { Events } from "./events.js";
import { mountKeys } from "./keys.js";
import { mountLive, refreshLive, refreshSoon } from "./live.js";
import { showConnection } from "./now_list.js";
import { mountRibbons } from "./ribbon.js";
import { isSignedOut } from "./session.js";
import { mountThemeSwitch } from "./theme_switch.js";
import { mountTimes } from "./times.js";

const STORE_ASKED_AGAIN_MS = 3_000;
const MINUTE_MS = 60_000; // in which the ribbon and how long it is live go on
const connection = document.querySelector('[data-part="connection"]');

mountThemeSwitch();
mountTimes();
mountRibbons();
mountKeys({});

const events = new Events({
  connected() {
    showConnection(connection, null);
    refreshLive(); // what happened before is not told
  },
  event(data) {
    const isLive = data.type !== "degraded";
    showConnection(connection, null, isLive ? null : new Date(data.since));
    if (data.what !== "releases") return;
    refreshSoon();
    // Another process of the server may have read the store shortly before.
    setTimeout(refreshSoon, STORE_ASKED_AGAIN_MS);
  },
  lost: (since) => showConnection(connection, since),
  refused: isSignedOut,
});
mountLive({
  address: () => `/live/releases${location.search}`,
  needed: () => !events.isConnected,
});
setInterval(refreshSoon, MINUTE_MS);
setInterval(() => {
  if (!document.hidden && document.querySelector("[data-unanswered], [data-pending]")) refreshLive();
}, STORE_ASKED_AGAIN_MS);
