// One line of a log as an element.

import { exact, number, text } from "../text.js";
import { coloured, plain } from "./ansi.js";
import { timeOf } from "./times.js";

const LONGEST_SHOWN = 2_000; // characters; the rest comes when it is asked for
const MARKS = { info: "›", success: "✓", warning: "⚠", error: "✕" };
const GROUP = "::group::";
// https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
const DIRECTIONS = /([\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069])/;
const model = modelRow();

// What the element depends on beside the line: `times`, `started` and `previous` (see
// times.js), `open` (the colours that it begins in), `needle` (in lower case), `isWhole`
// (however long), `group` (null, or whether it is folded, for the line that heads one),
// `isInGroup`, `isStep` (whether a step begins with it).
export function rowOf(seq, line, shown) {
  const row = model.cloneNode(true);
  const [anchor, time, mark, message] = row.children;
  row.id = `L${seq}`;
  anchor.href = `#L${seq}`;
  anchor.textContent = seq;
  if (!line) {
    row.className = "absent";
    message.textContent = "…";
    return row;
  }
  row.dataset.level = line.level;
  time.dateTime = line.timestamp;
  time.textContent = timeOf(line, shown.times, shown);
  if (shown.times !== "off") time.title = exact(new Date(line.timestamp));
  mark.textContent = MARKS[line.level] ?? "";
  mark.title = line.level;
  if (line.level === "warning") message.dataset.word = text("warning");
  row.classList.toggle("step", shown.isStep);
  row.classList.toggle("in-group", shown.isInGroup);
  if (shown.group !== null) message.append(groupButton(seq, line, shown));
  else if (isEndOfGroup(line)) row.classList.add("group-end");
  else write(message, seq, line.message, shown);
  return row;
}

function isEndOfGroup({ level, message }) {
  return level === "info" && message.startsWith("::endgroup::");
}

export function titleOfGroup(message) {
  return plain(message.slice(GROUP.length)).trim() || text("group");
}

function write(place, seq, message, { open, needle, isWhole }) {
  const isLong = !isWhole && message.length > LONGEST_SHOWN;
  const shown = isLong ? message.slice(0, LONGEST_SHOWN) : message;
  const marked = (words) => withMarks(words, needle);
  const isColoured = open || message.includes("\x1b");
  place.append(...(isColoured ? coloured(shown, open, marked) : marked(shown)));
  if (!isLong) return;
  const rest = number(message.length - LONGEST_SHOWN);
  place.append(button("rest", seq, text("moreCharacters", { n: rest })));
}

function groupButton(seq, line, { group, needle }) {
  const made = button("group", seq, "");
  made.setAttribute("aria-expanded", String(!group.isFolded));
  made.append(...withMarks(titleOfGroup(line.message), needle));
  if (group.isFolded && group.lines) {
    const count = document.createElement("span");
    count.className = "muted";
    count.textContent = ` ${text(group.lines === 1 ? "line" : "lines", { n: number(group.lines) })}`;
    made.append(count);
  }
  return made;
}

function button(act, seq, words) {
  const made = document.createElement("button");
  made.type = "button";
  made.dataset.act = act;
  made.dataset.seq = seq;
  made.textContent = words;
  return made;
}

function withMarks(words, needle) {
  if (!needle) return withDirectionsShown(words);
  const nodes = [];
  const lower = words.toLowerCase();
  let at = 0;
  for (let found; (found = lower.indexOf(needle, at)) >= 0; at = found + needle.length) {
    const mark = document.createElement("mark");
    mark.append(...withDirectionsShown(words.slice(found, found + needle.length)));
    nodes.push(...withDirectionsShown(words.slice(at, found)), mark);
  }
  return [...nodes, ...withDirectionsShown(words.slice(at))];
}

// A text that turns its own direction can look like another one: "gnp.exe" like
// "exe.png" (CVE-2021-42574). Its control characters are named instead of obeyed.
function withDirectionsShown(words) {
  return words.split(DIRECTIONS).map((piece, index) => (index % 2 ? directionName(piece) : piece));
}

function directionName(character) {
  const name = document.createElement("span");
  name.className = "direction";
  name.dataset.code = `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  return name;
}

function modelRow() {
  const row = document.createElement("li");
  for (const [tag, name] of [["a", "n"], ["time", "t"], ["span", "mark"], ["span", "m"]]) {
    const part = document.createElement(tag);
    part.className = name;
    row.append(part);
  }
  return row;
}
