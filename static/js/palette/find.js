// What a query finds among what is known without asking: lines and tasks by their
// address, types with values for their forms, pages and acts. Nothing here starts
// anything: what leads to a type leads to its form.

import { addressed } from "./address.js";
import { matchWords } from "./match.js";
import { assigned, readings } from "./values.js";

const NO_NAME = 8; // what it costs to name no type, but a version that many take
const MOST = 8; // in a group

// The groups in which there is something, what fits best first. hasLog: whether the page
// shows lines.
export function find(query, data, hasLog = false) {
  const typed = query.trim();
  if (!typed) return grouped(everything(data));
  const direct = addressed(typed, data.texts, hasLog);
  if (direct?.task) return grouped({ go: [direct] });
  const ways = readings(typed);
  const others = [...data.pages, ...data.lasts, ...data.acts];
  const groups = grouped({
    start: ranked(data.types.map((type) => best(ways, type, data.console))),
    go: ranked([direct, ...others.map((other) => named(typed, other))]),
  });
  const first = ({ entries }) => entries[0].cost;
  return groups.sort((a, b) => first(a) - first(b));
}

function everything({ types, console, pages, lasts, acts }) {
  return {
    start: types.map((type) => form(type, console, [], { cost: 0 })),
    go: [...pages, ...lasts, ...acts],
  };
}

function grouped(groups) {
  return Object.entries(groups)
    .map(([name, entries]) => ({ name, entries }))
    .filter(({ entries }) => entries.length);
}

function ranked(entries) {
  const found = entries.filter(Boolean).sort((a, b) => a.cost - b.cost);
  return found.slice(0, MOST);
}

function named(typed, entry) {
  const found = matchWords(typed.split(/\s+/u), entry.names);
  return found && { ...entry, ...found };
}

// The best of all ways to read a query as that type's name and values; null if none is.
function best(ways, type, console) {
  return ways.reduce((before, { words, values }) => {
    const given = assigned(values, type.params);
    const found = given && matched(words, given.params, type);
    if (!found) return before;
    const cost = found.cost + given.cost;
    if (before?.cost <= cost) return before;
    return form(type, console, given.params, { ...found, cost });
  }, null);
}

// Without a name a version says enough; a bare number of anything does not.
function matched(words, given, type) {
  if (words.length) return matchWords(words, type.names);
  const isVersion = ({ param }) => param.name === "version" && param.pattern;
  return given.some(isVersion) ? { cost: NO_NAME } : null;
}

function form(type, console, given, found) {
  const query = new URLSearchParams({ type: type.name });
  for (const { param, value } of given) query.set(param.name, value);
  return {
    ...found,
    type: type.name,
    title: type.title,
    values: given.map(({ title }) => title),
    version: query.get("version"),
    isNamed: found.cost < NO_NAME,
    url: `${console}?${query}`,
  };
}

// What to ask the API for, to find tasks that a query means. By itself it finds texts in
// the names of types, but no titles and no letters of words.
export function tasksLike(query, groups) {
  const first = groups[0]?.entries[0];
  if (first?.last !== undefined) return first.last ? { status: first.last } : {};
  if (!first?.type || (!first.version && first.type.includes(query.toLowerCase()))) {
    return { q: query };
  }
  const version = first.version ? { version: first.version } : {};
  return first.isNamed ? { type: first.type, ...version } : version;
}
