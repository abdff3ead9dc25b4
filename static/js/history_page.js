// The history: filters that apply at once, and two ticks that lead to a comparison.

import { mountKeys } from "./keys.js";
import { mountThemeSwitch } from "./theme_switch.js";
import { mountTimes } from "./times.js";

mountThemeSwitch();
mountTimes();
mountKeys({ "/": () => document.querySelector("[data-search]").focus() });

const filters = document.querySelector("form[data-filters]");
filters.addEventListener("change", (event) => {
  if (event.target.matches("select")) filters.requestSubmit();
});
// An address without what was left empty reads better in a chat.
filters.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
});

const form = document.querySelector("form[data-compare]");
const button = form.querySelector("button");

function ticked() {
  return [...form.querySelectorAll("input:checked")];
}

function showTicks() {
  if (button) button.disabled = ticked().length !== 2;
}

// A third tick takes the place of the first of the two before it.
let order = ticked();
form.addEventListener("change", ({ target }) => {
  order = order.filter((box) => box !== target);
  if (target.checked) order.push(target);
  while (order.length > 2) order.shift().checked = false;
  showTicks();
});
addEventListener("pageshow", () => {
  filters.reset(); // to what the address says, whatever the browser remembers
  order = ticked();
  showTicks();
});
