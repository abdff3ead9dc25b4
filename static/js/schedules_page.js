// Schedules, and pauses and freezes: kept true while one looks, and what is asked there.

import { mountKeys } from "./keys.js";
import { refreshSoon } from "./live.js";
import { mountLivePage } from "./live_page.js";
import { mountQuestions } from "./question.js";
import { tellZone, zone } from "./zone.js";

const LOOK_MS = 15_000; // for what nobody tells of: a moment that passes, somebody's pause

const { shownZone } = document.querySelector("[data-shown-zone]").dataset;
// Once in a browser, and only where no other page of ours was opened before.
if (tellZone() && shownZone !== zone) location.reload();

const parts = document.querySelector("[data-live]").dataset.live;
mountKeys({});
mountQuestions();
mountLivePage({ address: () => parts + location.search, changed: refreshSoon });
setInterval(refreshSoon, LOOK_MS);
