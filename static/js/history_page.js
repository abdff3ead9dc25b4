// The history: filters that apply at once, ticks, acts on several tasks, and strips.

import { mountBrush } from "./history/brush.js";
import { mountBulk } from "./history/bulk.js";
import { mountDots } from "./history/dots.js";
import { mountFilters } from "./history/filters.js";
import { mountTicks } from "./history/ticks.js";
import { mountKeys } from "./keys.js";
import { mountThemeSwitch } from "./theme_switch.js";
import { mountTimes } from "./times.js";
import { tellZone, zone } from "./zone.js";

const { shownZone } = document.querySelector("[data-shown-zone]").dataset;
const isNamed = new URLSearchParams(location.search).has("tz");
// Once in a browser, and only where no other page of ours was opened before.
if (tellZone() && shownZone !== zone && !isNamed) location.reload();

mountThemeSwitch();
mountTimes();
document.querySelector("[data-zone]").textContent = shownZone;
mountKeys({ "/": () => document.querySelector("[data-search]").focus() });

const filters = document.querySelector("form[data-filters]");
mountFilters(filters);
const jump = document.querySelector("form[data-jump]");
if (jump) mountFilters(jump);
const list = document.querySelector("form[data-compare]");
if (list) mountTicks(list);
mountBulk(list);

function choose(from, to) {
  filters.elements.from.value = from;
  filters.elements.to.value = to;
  filters.requestSubmit();
}

for (const strip of document.querySelectorAll("[data-strip]")) {
  mountDots(strip);
  mountBrush(strip, shownZone, choose);
}
