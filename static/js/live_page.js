// What pages of many tasks or releases have in common: they hear what changes among all
// of them, fetch their parts anew for it, and say whether they are connected.

import { Events } from "./events.js";
import { mountLive, refreshLive } from "./live.js";
import { mountRibbons } from "./ribbon.js";
import { isSignedOut } from "./session.js";
import { clock, text } from "./text.js";
import { mountThemeSwitch } from "./theme_switch.js";
import { mountTimes } from "./times.js";

// address(): where the parts are; changed(event): what a change asks for; heard(isLive):
// whether anything is heard of tasks now, so that clocks may go on
export function mountLivePage({ address, changed, heard = () => {} }) {
  mountThemeSwitch();
  mountTimes();
  mountRibbons();
  const tell = (lostSince = null, outageSince = null) => {
    heard(!lostSince && !outageSince);
    showConnection(lostSince, outageSince);
  };
  const events = new Events({
    connected() {
      tell();
      refreshLive(); // what happened before is not told
    },
    event(data) {
      if (data.type === "degraded") return tell(null, new Date(data.since));
      tell();
      changed(data);
    },
    lost: (since) => tell(since),
    refused: isSignedOut,
  });
  mountLive({ address, needed: () => !events.isConnected });
}

// Since when the connection is lost, or the service can't read its database, if so.
function showConnection(lostSince, outageSince) {
  const place = document.querySelector('[data-part="connection"]');
  const state = lostSince ? "lost" : outageSince ? "degraded" : "live";
  if (state === place.dataset.state) return;
  place.textContent = text(state, { time: clock(lostSince ?? outageSince ?? new Date()) });
  place.dataset.state = state;
}
