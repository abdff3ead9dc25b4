// The lines that are held: those around the reader and the newest. What is far away is
// dropped, and loaded again when somebody looks there.

import { get } from "../api.js";
import { spread } from "../retry.js";

const PAGE_LINES = 500;
const MOST_PAGES = 20;
const MOST_CHARACTERS = 12_000_000; // a line has up to 64 thousand
const MOST_REQUESTS = 2;
const PAUSE_MS = 60; // what is only passed by need not be loaded
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;

export class Lines {
  // loaded(): called when lines have come that were wanted
  constructor(api, loaded) {
    this.api = api;
    this.loaded = loaded;
    this.pages = new Map(); // number → {lines, characters}
    this.requests = new Map(); // number of page → its AbortController
    this.wanted = [];
    this.filter = ""; // of the query: only such lines are wanted
    this.total = 0;
    this.retryMs = FIRST_RETRY_MS;
  }

  get(seq) {
    return this.pages.get(pageOf(seq))?.lines[(seq - 1) % PAGE_LINES];
  }

  add(line) {
    const number = pageOf(line.seq);
    if (line.seq > this.total) this.total = line.seq;
    let page = this.pages.get(number);
    if (!page) {
      page = { lines: [], characters: 0 };
      this.pages.set(number, page);
      this.dropFarthest();
    }
    const place = (line.seq - 1) % PAGE_LINES;
    if (!page.lines[place]) page.characters += line.message.length;
    page.lines[place] = line;
  }

  // What the server wrote into the page, of so many.
  adopt(rows, total) {
    for (const row of rows) {
      this.add({
        seq: Number(row.id.slice(1)),
        timestamp: row.querySelector("time").dateTime,
        level: row.dataset.level,
        message: row.lastElementChild.textContent,
      });
    }
    this.total = Math.max(this.total, total);
  }

  get newest() {
    return this.get(this.total);
  }

  // What is on the page now, first to last.
  want(seqs) {
    this.wanted = seqs;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.load();
    }, PAUSE_MS);
  }

  setFilter(filter) {
    if (filter === this.filter) return;
    this.filter = filter;
    for (const request of this.requests.values()) request.abort();
  }

  load() {
    const missing = this.wanted.filter((seq) => seq <= this.total && !this.get(seq));
    const firsts = new Map(); // the first missing line of each page
    for (const seq of missing) {
      if (!firsts.has(pageOf(seq))) firsts.set(pageOf(seq), seq);
    }
    for (const [number, request] of this.requests) {
      if (!firsts.has(number)) request.abort();
    }
    if (this.filter && missing.length) {
      this.request(missing[0], missing.at(-1));
      return;
    }
    for (const [number, seq] of firsts) this.request(seq, (number + 1) * PAGE_LINES);
  }

  async request(first, last) {
    const number = pageOf(first);
    if (this.requests.has(number) || this.requests.size >= MOST_REQUESTS) return;
    const abort = new AbortController();
    this.requests.set(number, abort);
    const range = `after=${first - 1}&before=${last + 1}&limit=${PAGE_LINES}`;
    const path = `${this.api}/logs?${range}${this.filter && `&${this.filter}`}`;
    const answer = await get(path, { signal: abort.signal });
    this.requests.delete(number);
    if (answer?.logs.length) {
      this.retryMs = FIRST_RETRY_MS;
      for (const line of answer.logs) this.add(line);
      this.loaded();
      this.load();
    } else if (abort.signal.aborted) this.load();
    else this.retry();
  }

  retry() {
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.load(), spread(this.retryMs));
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
  }

  dropFarthest() {
    const newest = pageOf(this.total || 1);
    while (this.pages.size > MOST_PAGES || this.characters() > MOST_CHARACTERS) {
      const far = [...this.pages.keys()]
        .filter((number) => number !== newest && !this.isWanted(number))
        .sort((one, other) => this.distance(other) - this.distance(one));
      if (!far.length) return;
      this.pages.delete(far[0]);
    }
  }

  characters() {
    let sum = 0;
    for (const page of this.pages.values()) sum += page.characters;
    return sum;
  }

  isWanted(number) {
    return this.wanted.length > 0 && this.distance(number) === 0;
  }

  // How many pages lie between this one and what is looked at.
  distance(number) {
    if (!this.wanted.length) return 0;
    const first = pageOf(this.wanted[0]);
    const last = pageOf(this.wanted.at(-1));
    if (number < first) return first - number;
    return Math.max(0, number - last);
  }
}

function pageOf(seq) {
  return Math.floor((seq - 1) / PAGE_LINES);
}
