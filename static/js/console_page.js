// The console: start a task; see what runs, what waits, what ran and what is live.

import { ConsoleTab } from "./console_tab.js";
import { mountKeys } from "./keys.js";
import { mountLaunch } from "./launch.js";
import { mountTypeFilter } from "./launch_filter.js";
import { refreshOnceMore, refreshSoon } from "./live.js";
import { mountLivePage } from "./live_page.js";
import { NowList } from "./now_list.js";
import { mountRecent, partsAddress } from "./recent.js";

const now = new NowList(document.getElementById("now"));

mountLaunch();
mountRecent();
new ConsoleTab(document.getElementById("now"));
mountKeys({ "/": mountTypeFilter() });
mountLivePage({
  address: partsAddress,
  changed(event) {
    if (event.type !== "task" || !now.take(event.task)) refreshSoon();
    if (event.what === "releases") refreshOnceMore();
  },
  heard(isLive) {
    now.isLive = isLive;
  },
});
refreshOnceMore();
