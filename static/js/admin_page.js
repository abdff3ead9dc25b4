// The pages of Django's admin: the head is the product's own.

import { mountThemeSwitch } from "./theme_switch.js";

mountThemeSwitch();
