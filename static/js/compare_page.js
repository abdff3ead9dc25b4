// The comparison of two tasks.

import { mountGaps } from "./history/gaps.js";
import { mountKeys } from "./keys.js";
import { mountThemeSwitch } from "./theme_switch.js";
import { mountTimes } from "./times.js";

mountThemeSwitch();
mountTimes();
mountKeys({});

const difference = document.querySelector(".diff");
if (difference) mountGaps(difference);
