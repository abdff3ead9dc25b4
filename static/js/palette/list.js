// The list under the field, in groups; one row is active, and the field says which.

import { SHAPES } from "../status.js";
import { ago, text } from "../text.js";

export class List {
  // follow(entry, event)
  constructor(dialog, follow) {
    this.input = dialog.querySelector("input");
    this.place = dialog.querySelector('[role="listbox"]');
    this.counted = dialog.querySelector('[role="status"]');
    this.icons = dialog.querySelector("template").content;
    this.follow = follow;
    this.place.addEventListener("pointermove", (event) => this.point(rowOf(event)));
    this.place.addEventListener("click", (event) => this.followActive(event, rowOf(event)));
    // The focus stays in the field.
    this.place.addEventListener("pointerdown", (event) => event.preventDefault());
  }

  show(groups, texts) {
    this.texts = texts;
    this.entries = [];
    this.place.replaceChildren(...groups.map((group) => this.group(group)));
    this.place.scrollTop = 0;
    this.activate(this.rows[0] ?? null);
    if (groups.length) this.count();
  }

  // Behind what is there already, so that nothing moves.
  add(name, entries) {
    if (entries.length) this.place.append(this.group({ name, entries }));
    if (!this.rows.length) return this.say(this.texts.none);
    if (!this.active) this.activate(this.rows[0]);
    this.count();
  }

  say(words) {
    this.place.replaceChildren(element("p", "empty", words));
    this.activate(null);
    this.counted.textContent = words;
  }

  count() {
    this.counted.textContent = this.texts.count.replace("{n}", this.rows.length);
  }

  get rows() {
    return [...this.place.querySelectorAll('[role="option"]')];
  }

  get active() {
    return this.place.querySelector('[aria-selected="true"]');
  }

  point(row) {
    if (row) this.activate(row);
  }

  activate(row) {
    this.active?.setAttribute("aria-selected", "false");
    row?.setAttribute("aria-selected", "true");
    this.input.setAttribute("aria-activedescendant", row?.id ?? "");
  }

  move(step) {
    const { rows } = this;
    if (!rows.length) return;
    const next = rows.indexOf(this.active) + step;
    const row = rows.at(next % rows.length);
    this.activate(row);
    row.scrollIntoView({ block: "nearest" });
  }

  followActive(event, row = this.active) {
    if (row) this.follow(this.entries[row.dataset.entry], event);
  }

  // --- Rows -----------------------------------------------------------------------------

  group({ name, entries }) {
    const caption = element("div", "caption", this.texts[name]);
    caption.id = `palette-${name}`;
    caption.setAttribute("role", "presentation");
    const group = element("div", "", caption, ...entries.map((entry) => this.row(entry, name)));
    group.setAttribute("role", "group");
    group.setAttribute("aria-labelledby", caption.id);
    return group;
  }

  row(entry, group) {
    const index = this.entries.push(entry) - 1;
    const values = (entry.values ?? []).map((value) => element("span", "code", value));
    const row = element("div", "", this.sign(entry, group), nameOf(entry), ...values, aside(entry));
    row.id = `palette-option-${index}`;
    row.dataset.entry = index;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", "false");
    return row;
  }

  // A task's status, or the group's icon.
  sign({ status }, group) {
    if (!status) return this.icons.querySelector(`[data-icon="${group}"]`).cloneNode(true);
    const shape = element("span", "shape", SHAPES[status]);
    shape.setAttribute("aria-hidden", "true");
    const sign = element("span", "status", shape, element("span", "unseen", text(status)));
    sign.dataset.status = status;
    return sign;
  }
}

function rowOf(event) {
  return event.target.closest('[role="option"]');
}

// The title; what fits is marked, in the name by which it was found.
function nameOf({ title, name, at = [] }) {
  const isTitle = !name || name.text === title;
  const shown = element("span", "name", ...(isTitle ? marked(title, at) : [title]));
  if (!isTitle) shown.append(element("span", "other", ...marked(name.text, at)));
  return shown;
}

function marked(words, at) {
  return [...words].map((c, i) => (at.includes(i) ? element("b", "", c) : c));
}

function aside({ type, moment }) {
  if (moment) return element("span", "aside", ago(moment, Date.now()));
  return element("span", type ? "aside code" : "aside", type ?? "");
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
