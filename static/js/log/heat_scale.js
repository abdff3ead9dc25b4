// How densely the lines of a log came, from the times of some of them.

import { lastAtMost } from "./ranges.js";

const MOST = 1024; // samples; beyond that every other one goes

export class HeatScale {
  constructor() {
    this.seqs = [];
    this.times = []; // milliseconds
    this.stride = 1;
  }

  adopt(samples) {
    const newer = this.seqs.findIndex((seq) => seq > (samples.at(-1)?.seq ?? 0));
    const [seqs, times] = [this.seqs, this.times];
    this.seqs = samples.map((sample) => sample.seq);
    this.times = samples.map((sample) => Date.parse(sample.timestamp));
    if (newer >= 0) {
      this.seqs.push(...seqs.slice(newer));
      this.times.push(...times.slice(newer));
    }
    this.stride = Math.max(1, Math.floor((this.seqs.at(-1) ?? 0) / MOST));
  }

  take({ seq, timestamp }) {
    if (seq < (this.seqs.at(-1) ?? 0) + this.stride) return;
    this.seqs.push(seq);
    this.times.push(Date.parse(timestamp));
    if (this.seqs.length > MOST) this.thin();
  }

  thin() {
    const isKept = (_, index) => index % 2 === 0;
    this.seqs = this.seqs.filter(isKept);
    this.times = this.times.filter(isKept);
    this.stride *= 2;
  }

  // Milliseconds, between the two nearest samples.
  timeOf(seq) {
    const { seqs, times } = this;
    const place = Math.max(0, Math.min(lastAtMost(seqs, seq), seqs.length - 2));
    const length = seqs[place + 1] - seqs[place];
    if (!length) return times[place];
    return times[place] + ((seq - seqs[place]) / length) * (times[place + 1] - times[place]);
  }

  // For each of so many equal parts of the log, from 0 (a silence) to 1 (the densest).
  densities(parts, total) {
    if (this.seqs.length < 2) return new Array(parts).fill(0);
    const lines = total / parts;
    const rates = [];
    for (let part = 0; part < parts; part++) {
      const took = this.timeOf(1 + (part + 1) * lines) - this.timeOf(1 + part * lines);
      rates.push(Math.log1p((1000 * lines) / Math.max(1, took)));
    }
    const most = Math.max(...rates) || 1;
    return rates.map((rate) => rate / most);
  }
}
