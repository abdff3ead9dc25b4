// The palette: a field, and a list of what it finds. The field keeps the focus; arrows
// move along the list, and Enter follows: to a page, never further than to a form.

import { isSignedOut } from "../session.js";
import { text } from "../text.js";
import { act } from "./acts.js";
import { find, tasksLike } from "./find.js";
import { List } from "./list.js";
import { Tasks, known, newest } from "./source.js";

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

export class Palette {
  constructor(dialog) {
    this.dialog = dialog;
    this.input = dialog.querySelector("input");
    this.list = new List(dialog, (entry, event) => this.follow(entry, event));
    this.tasks = new Tasks((found) => this.list.add("recent", found));
    this.input.addEventListener("input", (event) => event.isComposing || this.draw());
    this.input.addEventListener("compositionend", () => this.draw());
    this.input.addEventListener("keydown", (event) => this.press(event));
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
    dialog.addEventListener("close", () => this.clear());
  }

  async open() {
    const data = await known();
    const recent = data && (await newest({}, data));
    const isDrawn = this.data && this.input.value;
    Object.assign(this, { data, recent });
    if (!data) this.list.say(text((await isSignedOut()) ? "signInFirst" : "noAnswer"));
    else if (!isDrawn) this.draw();
  }

  clear() {
    this.tasks.forget();
    this.input.value = "";
    this.list.show([], this.data?.texts);
  }

  draw() {
    if (!this.data) return;
    const query = this.input.value.trim();
    const hasLog = Boolean(document.querySelector("[data-lines]"));
    const groups = find(query, this.data, hasLog);
    const recent = query || !this.recent?.length ? [] : [{ name: "recent", entries: this.recent }];
    this.list.show([...recent, ...groups], this.data.texts);
    if (query) this.tasks.ask(tasksLike(query, groups), this.data);
    else this.tasks.forget();
  }

  press(event) {
    // Enter takes what an input method offers; Safari says that by a code only.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key in STEPS) this.list.move(STEPS[event.key]);
    else if (event.key === "Enter") this.list.followActive(event);
    else return;
    event.preventDefault();
  }

  async follow(entry, { ctrlKey, metaKey }) {
    const url = entry.last === undefined ? entry.url : await this.last(entry.last);
    if (url && (ctrlKey || metaKey)) return open(url, "_blank", "noopener");
    if (entry.last !== undefined && !url) return this.list.say(this.data.texts.none);
    this.dialog.close();
    if (url) location.assign(url);
    else act(entry);
  }

  // Where the newest task of a status is; undefined where there is none.
  async last(status) {
    const found = await newest(status ? { status } : {}, this.data);
    return found?.[0]?.url;
  }
}
