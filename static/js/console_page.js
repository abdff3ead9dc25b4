// The console: start a task; see what runs, what waits, what ran and what is live.

import { ConsoleTab } from "./console_tab.js";
import { Events } from "./events.js";
import { mountKeys } from "./keys.js";
import { mountLaunch } from "./launch.js";
import { mountTypeFilter } from "./launch_filter.js";
import { mountLive, refreshLive, refreshSoon } from "./live.js";
import { NowList, showConnection } from "./now_list.js";
import { mountRecent, partsAddress } from "./recent.js";
import { mountRibbons } from "./ribbon.js";
import { isSignedOut } from "./session.js";
import { mountThemeSwitch } from "./theme_switch.js";
import { mountTimes } from "./times.js";

const STORE_ASKED_AGAIN_MS = 3_000;
const connection = document.querySelector('[data-part="connection"]');
const now = new NowList(document.getElementById("now"));

mountThemeSwitch();
mountTimes();
mountRibbons();
mountLaunch();
mountRecent();
new ConsoleTab(document.getElementById("now"));
mountKeys({ "/": mountTypeFilter() });

const events = new Events({
  connected() {
    now.isLive = true;
    showConnection(connection, null);
    refreshLive(); // what happened before is not told
  },
  event(data) {
    now.isLive = data.type !== "degraded";
    showConnection(connection, null, now.isLive ? null : new Date(data.since));
    if (!now.isLive) return;
    if (data.type !== "task" || !now.take(data.task)) refreshSoon();
  },
  lost(since) {
    now.isLive = false;
    showConnection(connection, since);
  },
  refused: isSignedOut,
});
mountLive({ address: partsAddress, needed: () => !events.isConnected });
if (document.querySelector("#releases [data-unanswered]")) {
  setTimeout(refreshLive, STORE_ASKED_AGAIN_MS);
}
