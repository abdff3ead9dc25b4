// How lines are shown: wrapped or not, and with which times. Kept in the browser.

import { remember, remembered } from "../theme_switch.js";
import { MODES } from "./times.js";

export class Looks {
  // changed(): lines look another way
  constructor(part, list, changed) {
    this.list = list;
    this.changed = () => {}; // nothing is shown yet
    this.wrap = part("wrap");
    this.choice = part("times");
    this.setWrap(remembered("log.wrap") !== "false");
    this.setTimes(MODES.find((mode) => mode === remembered("log.times")) ?? "off");
    this.changed = changed;
    this.wrap.addEventListener("click", () => this.toggleWrap());
    this.choice.addEventListener("change", () => this.setTimes(this.choice.value));
    this.wrap.hidden = this.choice.hidden = false;
  }

  toggleWrap() {
    this.setWrap(this.wrap.getAttribute("aria-pressed") !== "true");
  }

  setWrap(on) {
    this.wrap.setAttribute("aria-pressed", String(on));
    this.list.classList.toggle("with-wrap", on);
    remember("log.wrap", String(on));
    this.changed();
  }

  nextTimes() {
    this.setTimes(MODES[(MODES.indexOf(this.times) + 1) % MODES.length]);
  }

  setTimes(times) {
    this.times = this.choice.value = times;
    this.list.classList.toggle("with-times", times !== "off");
    remember("log.times", times);
    this.changed();
  }
}
