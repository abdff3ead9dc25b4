// Where steps begin and what came of them, where groups begin and end, and the first
// error: asked of the server for the lines before the page was opened, seen in those that
// come live. That a step begins is always asked: a program can print a line that looks
// like it.

import { get } from "../api.js";
import { spread } from "../retry.js";
import { lastAtMost } from "./ranges.js";
import { titleOfGroup } from "./row.js";

const RETRY_MS = 5_000;
const PAUSE_MS = 100; // quick steps are asked of at once

export class Landmarks {
  // changed(): there are more of them
  constructor(api, changed) {
    this.api = api;
    this.changed = changed;
    this.live = [];
    this.stored = [];
    this.through = 0;
    this.unsure = []; // seqs of lines that may begin a step
    this.build();
  }

  // Those of the first lines, up to the one that the page knew when it was made.
  async load(upto) {
    if (this.through >= upto) return;
    const answer = await get(`${this.api}/logs/landmarks?after=${this.through}`);
    if (!answer) {
      setTimeout(() => this.load(upto), spread(RETRY_MS));
      return;
    }
    this.stored.push(...answer.landmarks.filter((mark) => mark.seq <= upto));
    this.through = answer.through;
    this.build();
    this.changed();
    if (answer.next !== null) this.load(upto);
  }

  // What the program said of its failure, by the result; its log may still be loading.
  fail(error) {
    this.cause = error;
    this.changed();
  }

  take(line) {
    if (line.level !== "info" && line.level !== "error") return;
    const kind = kindOf(line);
    if (kind === "step") this.askSoon(line.seq);
    if (!kind || kind === "step" || (kind === "error" && this.firstError)) return;
    const mark = { ...line, kind };
    this.live.push(mark);
    this.see(mark);
    this.changed();
  }

  askSoon(seq) {
    this.unsure.push(seq);
    this.timer ??= setTimeout(() => this.ask(), PAUSE_MS);
  }

  async ask() {
    const asked = this.unsure;
    this.unsure = [];
    const steps = await this.stepsAmong(asked);
    if (steps === null) this.unsure = asked.concat(this.unsure);
    const pause = steps === null ? spread(RETRY_MS) : PAUSE_MS;
    this.timer = this.unsure.length ? setTimeout(() => this.ask(), pause) : null;
    if (!steps?.length) return;
    const before = this.steps.at(-1);
    this.live.push(...steps);
    this.live.sort((one, other) => one.seq - other.seq);
    this.build();
    this.changed();
    if (before) this.renew([before.seq]);
  }

  // How all steps ended, once the task has.
  end() {
    this.renew(this.steps.map((step) => step.seq));
  }

  async renew(seqs) {
    for (const seq of seqs) {
      const answer = await get(`${this.api}/logs/landmarks?after=${seq - 1}`);
      const fresh = answer?.landmarks.find((mark) => mark.seq === seq);
      const known = [...this.stored, ...this.live].find((mark) => mark.seq === seq);
      if (fresh && known) known.step = fresh.step;
    }
    this.build();
    this.changed();
  }

  // Those of some lines that begin a step; null where the server can't say now.
  async stepsAmong(seqs) {
    const steps = [];
    for (let after = seqs[0] - 1; after !== null && after < seqs.at(-1); ) {
      const answer = await get(`${this.api}/logs/landmarks?after=${after}`);
      if (!answer) return null;
      steps.push(...answer.landmarks.filter((mark) => mark.kind === "step"));
      after = answer.next;
    }
    return steps.filter((mark) => seqs.includes(mark.seq));
  }

  build() {
    this.steps = [];
    this.firsts = new Map(); // seq of the line with which one begins → the step
    this.groups = new Map(); // seq of its head → {seq, title, end, parent}
    this.heads = []; // of all groups
    this.open = null; // the innermost group that has not ended
    this.firstError = null;
    for (const mark of [...this.stored, ...this.live]) this.see(mark);
  }

  see({ kind, seq, timestamp, message, step }) {
    if (kind === "error") this.firstError ??= { seq, message };
    else if (kind === "group") {
      const group = { seq, title: titleOfGroup(message), end: Infinity, parent: this.open };
      this.groups.set(seq, group);
      this.heads.push(seq);
      this.open = group;
    } else if (kind === "endgroup") this.endGroup(seq);
    else {
      while (this.open) this.endGroup(seq - 1);
      this.beginStep({ seq, message, at: Date.parse(timestamp), end: Infinity, ...step });
    }
  }

  beginStep(step) {
    const before = this.steps.at(-1);
    if (before) {
      before.end = step.seq - 1;
      before.hasEnded = true;
      before.durationMs ??= step.at - before.at;
    }
    this.steps.push(step);
    this.firsts.set(step.seq, step);
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

  isStep(seq) {
    return this.firsts.has(seq);
  }

  // Whether a line heads a step or a group, and is drawn as its title.
  isHeading(seq) {
    return this.firsts.has(seq) || this.groups.has(seq);
  }

  stepAt(seq) {
    return this.steps[lastAtMost(this.steps.map((step) => step.seq), seq)] ?? null;
  }
}

function kindOf(line) {
  if (line.level === "error") return "error";
  if (line.message.startsWith("Executing: ")) return "step";
  if (line.message.startsWith("::group::")) return "group";
  return line.message.startsWith("::endgroup::") ? "endgroup" : "";
}
