// Who else looks at this task, and at which lines; and what they ask to be looked at.
// Nothing is heard of it over the stream: the page says where it is, and the answer says
// where the others are. docs/decisions/0054 says why.
//
// Of several windows of one person the one that had the focus last says where they are;
// the others repeat it.

import { announce } from "./announce.js";
import { post } from "./api.js";
import { hashOf } from "./log/permalink.js";
import { counted, number, text } from "./text.js";

const SAY_MS = 10_000; // as in tasks/models/presence.py
const MOST_CHIPS = 3; // the others are counted

export class TaskPeople {
  // panel: root, log
  constructor({ root, log }) {
    this.log = log;
    this.path = `/live/tasks/${root.dataset.task}/presence`;
    // Without it, each window speaks for itself.
    this.windows = window.BroadcastChannel && new BroadcastChannel(this.path);
    this.isInFront = document.hasFocus();
    this.ahead = null; // the lines in the window in front, if that is another
    this.place = root.querySelector('[data-part="people"]');
    this.note = root.querySelector('[data-part="look"]');
    this.link = root.querySelector('[data-part="look-link"]');
    this.chips = new Map(); // of whom, by name
    this.known = new Map(); // name → when they last asked to look somewhere
    root.querySelector('[data-part="look-away"]').addEventListener("click", () => this.dismiss());
    this.link.addEventListener("click", () => this.dismiss());
    this.log.bar.lookHere.addEventListener("click", () => this.askToLook());
    document.addEventListener("visibilitychange", () => this.say());
    this.windows?.addEventListener("message", ({ data }) => this.fallBehind(data));
    addEventListener("focus", () => this.comeToFront());
    addEventListener("pagehide", () => this.stepAside());
    setInterval(() => this.say(), SAY_MS);
    this.say();
  }

  // Only somebody who sees the page is there. Without an answer nobody knows who is.
  async say(look) {
    if (document.hidden) return this.stepAside();
    const { first, last } = this.log.sight();
    const own = last ? { first, last } : { first: 0, last: 0 };
    const sight = this.ahead ?? own;
    if (this.isInFront) this.windows?.postMessage(sight);
    try {
      const { people } = await post(this.path, look ? { ...sight, look } : sight);
      this.show(people);
      return people;
    } catch {
      this.show([]);
      return null;
    }
  }

  comeToFront() {
    this.isInFront = true;
    this.ahead = null;
    this.say();
  }

  stepAside() {
    if (this.isInFront) this.windows?.postMessage(null);
    return null;
  }

  // null: the window in front is gone, and nobody knows which is next.
  fallBehind(sight) {
    this.isInFront = false;
    this.ahead = sight;
  }

  async askToLook() {
    const { from, to } = this.log.chosen.lines;
    const people = await this.say([from, to]);
    if (!people) this.log.bar.tell(text("noAnswer"));
    else this.log.bar.tell(counted("toldOne", "toldMany", people.length));
  }

  show(people) {
    const names = new Set(people.map(({ name }) => name));
    for (const [name, chip] of this.chips) {
      if (names.has(name)) continue;
      chip.remove();
      this.chips.delete(name);
    }
    for (const person of people) this.showOne(person);
    this.count();
    this.log.bar.offer(people.length);
    for (const person of people) this.hear(person);
  }

  // Those who were there first stay where they are.
  showOne({ name, first, last }) {
    const chip = this.chips.get(name) ?? this.welcome(name);
    const [, at] = chip.children;
    const words = first ? text("atLine", { n: number(first) }) : "";
    if (at.textContent !== words) at.textContent = words;
    chip.dataset.middle = Math.floor((first + last) / 2);
    chip.disabled = !first;
  }

  welcome(name) {
    const chip = document.createElement("button");
    Object.assign(chip, { type: "button", className: "person" });
    chip.title = text("goToTheirLines", { name });
    chip.dataset.initial = [...name][0].toUpperCase();
    chip.append(span("name", name), " ", span("at", ""));
    chip.addEventListener("click", () => this.log.jump(Number(chip.dataset.middle)));
    this.chips.set(name, chip);
    this.place.prepend(chip);
    return chip;
  }

  count() {
    this.more ??= this.place.appendChild(span("more", ""));
    const chips = [...this.chips.values()];
    for (const [index, chip] of chips.entries()) chip.hidden = index >= MOST_CHIPS;
    const beyond = [...this.chips.keys()].slice(MOST_CHIPS);
    this.more.textContent = beyond.length ? `+${number(beyond.length)}` : "";
    this.more.title = beyond.join(", ");
  }

  // --- Look here -----------------------------------------------------------------------

  hear({ name, look }) {
    if (!look || look.at <= (this.known.get(name) ?? 0)) return;
    this.known.set(name, look.at);
    const [from, to] = [number(look.first), number(look.last)];
    const words =
      from === to ? text("lookAtOne", { name, n: from }) : text("lookAt", { name, from, to });
    this.link.textContent = this.link.title = words;
    this.link.href = hashOf({ from: look.first, to: look.last });
    this.note.hidden = false;
    announce(words);
  }

  dismiss() {
    this.note.hidden = true;
  }
}

function span(name, words) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = words;
  return element;
}
