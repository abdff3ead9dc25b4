// A task's own page.

import { showStatusOf } from "./favicon.js";
import { mountKeys, panelKeys } from "./keys.js";
import { mountLive, refreshLive } from "./live.js";
import { TaskPanel } from "./task_panel.js";
import { mountShare } from "./task_share.js";
import { mountThemeSwitch } from "./theme_switch.js";
import { mountTimes } from "./times.js";

mountThemeSwitch();
mountTimes();
mountLive();
mountShare();
const root = document.querySelector("[data-task]");
showStatusOf(root);
const panel = new TaskPanel(root, { ended: refreshLive, isPage: true });
const { c, r, ...ofLog } = { ...panelKeys(() => panel), "/": () => panel.log.finder.focus() };
for (const [key, act] of Object.entries(ofLog)) {
  ofLog[key] = () => {
    panel.views.show("log");
    act();
  };
}
mountKeys({ ...ofLog, c, r, s: () => panel.views.toggle() });
