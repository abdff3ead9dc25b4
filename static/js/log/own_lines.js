// What a runner wrote into a log, in the page's language. What is stored is English, and
// stays in the row, for who copies or searches it; tasks/logs/own_lines.py has the texts.

import { localName } from "./step_title.js";

const LONGEST = 2_000; // characters; what is longer stays as it is
const LEVELS = new Set(["info", "success", "error"]); // in which runners write
const SHAPES = { by: "[^;]+" }; // behind a semicolon there is another sentence

const pairs = JSON.parse(document.getElementById("own-lines")?.textContent ?? "[]");
const known = pairs.map(([stored, local]) => ({ pattern: patternOf(stored), local }));

// "" where the line is none of them, or reads the same.
export function saidOf({ level, message }) {
  return LEVELS.has(level) && message.length <= LONGEST ? said(message) : "";
}

function said(message) {
  for (const { pattern, local } of known) {
    const found = pattern.exec(message);
    if (found) return local.replace(/\{(\w+)\}/g, (_all, name) => valueOf(name, found.groups[name]));
  }
  return "";
}

function valueOf(name, value) {
  if (name === "step") return localName(value);
  return name === "problem" ? said(value) || value : value;
}

function patternOf(stored) {
  const pieces = stored.split(/\{(\w+)\}/).map((piece, index) => {
    if (index % 2) return `(?<${piece}>${SHAPES[piece] ?? ".+?"})`;
    return piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${pieces.join("")}$`, "s");
}
