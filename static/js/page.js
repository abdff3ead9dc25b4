// Pages that have nothing live on them.

import { mountKeys } from "./keys.js";
import { mountThemeSwitch } from "./theme_switch.js";
import { mountTimes } from "./times.js";

mountThemeSwitch();
mountTimes();
mountKeys({});
