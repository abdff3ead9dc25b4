// What the palette asks the server for: once for what it knows by itself, and for tasks
// as one types.

import { get } from "../api.js";

const PATIENCE_MS = 150; // between two keys of somebody who types
const MOST = 5;
let asked = null;

// What one may start and where one may go; null where it can't be had now.
export async function known() {
  asked ??= get("/palette");
  const found = await asked;
  if (!found) asked = null;
  return found;
}

// The newest tasks of a query of the API's, as entries; null where they can't be had.
export async function newest(query, { titles }, options) {
  const limited = new URLSearchParams({ limit: MOST, ...query });
  const found = await get(`/api/tasks?${limited}`, options);
  return found && found.tasks.map((task) => entryOf(task, titles));
}

function entryOf(task, titles) {
  const { id, type, params, status, startedAt, completedAt, createdAt } = task;
  return {
    status,
    title: titles[type] ?? type,
    values: params.version ? [params.version] : [],
    moment: new Date(completedAt ?? startedAt ?? createdAt),
    url: `/tasks/${id}`,
  };
}

// Asks for the tasks of one query at a time, the newest; show() has what was found.
export class Tasks {
  constructor(show) {
    this.show = show;
  }

  ask(query, data) {
    this.forget();
    this.timer = setTimeout(() => this.send(query, data), PATIENCE_MS);
  }

  async send(query, data) {
    const request = (this.request = new AbortController());
    const found = await newest(query, data, { signal: request.signal });
    if (!request.signal.aborted) this.show(found ?? []);
  }

  forget() {
    clearTimeout(this.timer);
    this.request?.abort();
  }
}
