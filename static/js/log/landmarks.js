// Where steps begin, groups begin and end, and the first error is: asked of the server
// for the lines before the page was opened, seen in those that come live.

import { get } from "../api.js";
import { lastAtMost } from "./ranges.js";
import { isStep, titleOfGroup } from "./row.js";

const RETRY_MS = 5_000;

export class Landmarks {
  // changed(): there are more of them
  constructor(api, changed) {
    this.api = api;
    this.changed = changed;
    this.live = [];
    this.stored = [];
    this.through = 0;
    this.build();
  }

  // Those of the first lines, up to the one that the page knew when it was made.
  async load(upto) {
    if (this.through >= upto) return;
    const answer = await get(`${this.api}/logs/landmarks?after=${this.through}`);
    if (!answer) {
      setTimeout(() => this.load(upto), RETRY_MS);
      return;
    }
    this.stored.push(...answer.landmarks.filter((mark) => mark.seq <= upto));
    this.through = answer.through;
    this.build();
    this.changed();
    if (answer.next !== null) this.load(upto);
  }

  take(line) {
    if (line.level !== "info" && line.level !== "error") return;
    const kind = kindOf(line);
    if (!kind || (kind === "error" && this.firstError)) return;
    const mark = { ...line, kind };
    this.live.push(mark);
    this.see(mark);
    this.changed();
  }

  build() {
    this.steps = [];
    this.groups = new Map(); // seq of its head → {seq, title, end, parent}
    this.heads = []; // of all groups
    this.open = null; // the innermost group that has not ended
    this.firstError = null;
    for (const mark of [...this.stored, ...this.live]) this.see(mark);
  }

  see({ kind, seq, timestamp, message }) {
    if (kind === "error") this.firstError ??= { seq, message };
    else if (kind === "group") {
      const group = { seq, title: titleOfGroup(message), end: Infinity, parent: this.open };
      this.groups.set(seq, group);
      this.heads.push(seq);
      this.open = group;
    } else if (kind === "endgroup") this.endGroup(seq);
    else {
      while (this.open) this.endGroup(seq - 1);
      this.steps.push({ seq, message, at: Date.parse(timestamp) });
    }
  }

  endGroup(seq) {
    if (!this.open) return;
    this.open.end = seq;
    this.open = this.open.parent;
  }

  // The innermost group that a line is in; a head is in none but those around it.
  groupAt(seq) {
    let group = this.groups.get(this.heads[lastAtMost(this.heads, seq - 1)]);
    while (group && group.end < seq) group = group.parent;
    return group ?? null;
  }

  stepAt(seq) {
    return this.steps[lastAtMost(this.steps.map((step) => step.seq), seq)] ?? null;
  }
}

function kindOf(line) {
  if (line.level === "error") return "error";
  if (isStep(line)) return "step";
  if (line.message.startsWith("::group::")) return "group";
  return line.message.startsWith("::endgroup::") ? "endgroup" : "";
}
