// A step as its heading in the log says it: number, name, how long it took, how it ended.

import { duration, text } from "../text.js";

const SHAPES = { running: "●", completed: "✓", failed: "✕" };

// Each step's stored name, and how it reads in the page's language.
const names = JSON.parse(document.getElementById("step-names")?.textContent ?? "[]");

const localNames = new Map(names);

export function localName(name) {
  return localNames.get(name) ?? name;
}

export function titleOf({ index, name, attempt }) {
  const [stored, local] = names[index - 1] ?? [];
  const title = `${index} ${stored === name ? local : name}`;
  return attempt > 1 ? `${title} · ${text("attemptOfStep", { n: attempt })}` : title;
}

export function tookOf({ durationMs }) {
  return durationMs === null ? "" : duration(durationMs / 1000);
}

// {state, shape, words}: state is "" where a step is over and nobody knows how.
export function stateOf({ hasEnded, exitCode }) {
  const state = !hasEnded ? "running" : exitCode === null ? "" : exitCode ? "failed" : "completed";
  return { state, shape: SHAPES[state] ?? "", words: state && text(state) };
}
