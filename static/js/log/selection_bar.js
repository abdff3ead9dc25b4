// What is selected, lines or text, in words; and its copying.

import { announce } from "../announce.js";
import { counted, number, text } from "../text.js";
import { messagesBetween, MOST_COPIED, toClipboard } from "./clipboard.js";

export class SelectionBar {
  // chosen: the lines of the address; marking: the text that is marked
  constructor(part, api, { chosen, marking }) {
    Object.assign(this, { api, chosen, marking });
    this.bar = part("chosen");
    this.said = part("chosen-lines");
    this.buttons = { copy: part("copy"), link: part("copy-link"), download: part("copy-all") };
    this.lookHere = part("look-here");
    this.company = 0; // how many others look at this log
    this.copyWords = this.buttons.copy.textContent;
    this.buttons.copy.addEventListener("click", () => this.copy());
    this.buttons.link.addEventListener("click", () => this.copyLink());
    part("choose-none").addEventListener("click", () => this.clear());
    // A press on a button would let go of the text that it is about.
    this.bar.addEventListener("mousedown", (event) => event.preventDefault());
    this.show();
  }

  // What is marked is said where it is more than can be seen.
  show() {
    const { lines } = this.chosen;
    const { extent } = this.marking;
    this.bar.hidden = !lines && !extent;
    if (this.bar.hidden) return;
    this.said.textContent = extent ? wordsFor(extent) : this.chosen.range;
    const count = extent?.count ?? lines.to - lines.from + 1;
    const isCut = count > MOST_COPIED;
    this.buttons.copy.textContent = isCut
      ? text("copyFirst", { n: number(MOST_COPIED) })
      : this.copyWords;
    this.buttons.link.hidden = Boolean(extent);
    this.offer(this.company);
    this.buttons.download.hidden = !isCut;
  }

  // Somebody else is there, who can be asked to look at the chosen lines.
  offer(company) {
    this.company = company;
    this.lookHere.hidden = !company || !this.chosen.lines || Boolean(this.marking.extent);
  }

  clear() {
    if (this.marking.extent) this.marking.clear();
    else this.chosen.choose(null);
  }

  async copy() {
    if (this.marking.extent) await this.copyMarked();
    else await this.copyChosen();
  }

  async copyChosen() {
    const { from, to } = this.chosen.lines;
    const last = Math.min(to, from + MOST_COPIED - 1);
    const lines = await messagesBetween(this.api, from, last);
    if (!lines) return this.tell(text("noAnswer"));
    const words = lines.map(({ message }) => `${message}\n`).join("");
    await this.put(words, toldOf(lines.length, last < to));
  }

  async copyMarked() {
    const words = await this.marking.fetchText(this.api);
    if (words === null) return this.tell(text("noAnswer"));
    await this.put(words, this.toldOfMarked());
  }

  toldOfMarked() {
    const { count } = this.marking;
    return toldOf(count, count > MOST_COPIED);
  }

  async copyLink() {
    if (this.chosen.lines) {
      await this.put(location.origin + this.chosen.link, text("copiedLink"));
    }
  }

  async put(words, done) {
    const isDone = await toClipboard(words);
    this.tell(isDone ? done : text("notCopied"));
  }

  tell(words) {
    this.bar.hidden = false;
    this.said.textContent = words;
    announce(words);
  }
}

function wordsFor({ count, isAll }) {
  return text(isAll ? "allSelected" : "manySelected", { n: number(count) });
}

function toldOf(count, isCut) {
  return isCut ? text("copiedFirst", { n: number(MOST_COPIED) }) : counted("copiedOne", "copied", count);
}
