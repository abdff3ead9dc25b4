// The whole log in a strip at its right edge: how densely lines came, steps, errors,
// warnings, matches, and what is in sight. It is for the pointer and the eye; the
// keyboard has other ways to all of them.

import { clock, number, text } from "../text.js";
import { get } from "../api.js";
import { plain } from "./ansi.js";
import { drawHeat } from "./heat_drawing.js";
import { HeatScale } from "./heat_scale.js";
import { titleOf } from "./step_title.js";

const LIVE_MS = 250; // at most each so often while lines come
const HOVER_MS = 80;
const NEAR_PX = 3;

export class Heat {
  // view: total, marks(): {errors, warnings, matches: Ranges, steps}, sight(): {first,
  // last} lines, lines (get), jump(seq)
  constructor(part, api, view) {
    Object.assign(this, { api, view });
    this.strip = part("heat");
    this.canvas = this.strip.querySelector("canvas");
    this.window = part("heat-window");
    this.tip = part("heat-tip");
    this.scale = new HeatScale();
    this.height = 0; // of the strip
    this.mount();
  }

  mount() {
    const { strip } = this;
    new ResizeObserver(() => {
      this.height = strip.clientHeight;
      this.draw();
    }).observe(strip);
    new MutationObserver(() => this.draw()).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    strip.addEventListener("pointerdown", (event) => this.pressed(event));
    strip.addEventListener("pointermove", (event) => this.moved(event));
    strip.addEventListener("pointerleave", () => this.leave());
  }

  // samples: {seq, timestamp} of lines all over the log
  adopt(samples) {
    this.scale.adopt(samples);
    this.draw();
  }

  take(line) {
    this.scale.take(line);
  }

  // --- Drawing -----------------------------------------------------------------------

  show(sight) {
    this.showWindow(sight);
    if (this.standing() === this.stood) return;
    this.timer ??= setTimeout(() => this.draw(), LIVE_MS);
  }

  // What the picture depends on.
  standing() {
    const { errors, warnings, matches, steps } = this.view.marks();
    return [this.view.total, errors.count, warnings.count, matches.count, steps.length].join();
  }

  draw() {
    clearTimeout(this.timer);
    this.timer = null;
    this.stood = this.standing();
    const { total } = this.view;
    this.strip.classList.toggle("empty", !total);
    if (!this.height) return;
    drawHeat(this.strip, this.canvas, { total, scale: this.scale, ...this.view.marks() });
    this.showWindow(this.view.sight());
  }

  showWindow({ first, last }) {
    const { total } = this.view;
    const height = Math.max(6, ((last - first + 1) / Math.max(1, total)) * this.height);
    const top = Math.min(((first - 1) / Math.max(1, total)) * this.height, this.height - height);
    const place = [Math.round(Math.max(0, top)), Math.round(Math.min(height, this.height))];
    if (String(place) === this.placed) return;
    this.placed = String(place);
    this.window.style.transform = `translateY(${place[0]}px)`;
    this.window.style.height = `${place[1]}px`;
  }

  // --- The pointer -------------------------------------------------------------------

  seqAt(event) {
    const y = event.clientY - this.strip.getBoundingClientRect().top;
    const { total } = this.view;
    const at = (px) => Math.max(1, Math.min(total, 1 + Math.floor((px / this.height) * total)));
    return this.markWithin(at(y - NEAR_PX), at(y + NEAR_PX), at(y)) ?? at(y);
  }

  // An error, a match or a warning near the pointer is what is meant.
  markWithin(from, to, seq) {
    const { errors, matches, warnings } = this.view.marks();
    for (const ranges of [errors, matches, warnings]) {
      if (!ranges.hasWithin(from, to)) continue;
      const next = ranges.after(seq - 1);
      return next >= seq && next <= to ? next : ranges.before(seq);
    }
    return null;
  }

  pressed(event) {
    if (event.button || !this.view.total) return;
    event.preventDefault();
    this.strip.setPointerCapture(event.pointerId);
    this.view.jump(this.seqAt(event));
  }

  moved(event) {
    if (!this.view.total) return;
    const seq = this.seqAt(event);
    if (event.buttons & 1) this.view.jump(seq);
    this.preview(event, seq);
  }

  leave() {
    clearTimeout(this.hover);
    this.tip.hidden = true;
    this.previewed = null;
  }

  // --- What lies there ---------------------------------------------------------------

  preview(event, seq) {
    const y = event.clientY - this.strip.getBoundingClientRect().top;
    this.tip.style.top = `${Math.max(0, Math.min(y - 20, this.height - 44))}px`;
    this.tip.hidden = false;
    if (seq === this.previewed) return;
    this.previewed = seq;
    this.say(seq, this.view.lines.get(seq));
    clearTimeout(this.hover);
    if (!this.view.lines.get(seq)) this.hover = setTimeout(() => this.fetch(seq), HOVER_MS);
  }

  async fetch(seq) {
    const answer = await get(`${this.api}/logs?after=${seq - 1}&before=${seq + 1}`);
    if (seq === this.previewed && answer) this.say(seq, answer.logs[0]);
  }

  say(seq, line) {
    const { steps } = this.view.marks();
    const step = steps.findLast((one) => one.seq <= seq);
    const time = line ? clock(new Date(line.timestamp)) : "";
    const head = [text("oneChosen", { n: number(seq) }), time, step && titleOf(step)];
    this.tip.firstElementChild.textContent = head.filter(Boolean).join(" · ");
    this.tip.lastElementChild.textContent = line ? plain(line.message) || " " : "…";
  }
}
