// A task's page in Django's admin: its live log, with the keys of the task's own page.

import { showExactTimes } from "./exact_times.js";
import { mountKeys, panelKeys } from "./keys.js";
import { TaskPanel } from "./task_panel.js";
import { mountThemeSwitch } from "./theme_switch.js";
import { mountTimes } from "./times.js";

mountThemeSwitch();
mountTimes();
showExactTimes();

const panel = new TaskPanel(document.querySelector("[data-task]"));
const { c, r, ...keys } = panelKeys(() => panel);
mountKeys(keys);
