// The pages of Django's admin: the head, the palette and the keys are the product's own.

import { showExactTimes } from "./exact_times.js";
import { mountKeys } from "./keys.js";
import { mountThemeSwitch } from "./theme_switch.js";
import { mountTimes } from "./times.js";

mountThemeSwitch();
mountTimes();
showExactTimes();

const search = document.getElementById("searchbar");
mountKeys(search ? { "/": () => search.focus() } : {});
