// One line of a log as an element.

import { counted, exact, number, text } from "../text.js";
import { withAddresses } from "./addresses.js";
import { coloured, linkTo, plain } from "./ansi.js";
import { saidOf } from "./own_lines.js";
import { stateOf, titleOf, tookOf } from "./step_title.js";
import { timeOf } from "./times.js";

const LONGEST_SHOWN = 2_000; // characters; the rest comes when it is asked for
const MARKS = { info: "›", success: "✓", warning: "⚠", error: "✕" };
const GROUP = "::group::";
// https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
export const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const BY_DIRECTION = new RegExp(`(${DIRECTIONS.source})`);
const model = modelRow();

// What the element depends on beside the line: `times`, `started` and `previous` (see
// times.js), `open` (the colours that it begins in), `needle` (in lower case), `isWhole`
// (however long), `head` (null, or whether what the line heads is folded), `isInGroup`,
// `step` (the one that begins with it, or none), `note` (said above it, or "").
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
  mark.textContent = shown.head ? "" : (MARKS[line.level] ?? "");
  mark.title = line.level;
  if (line.level === "warning") message.dataset.word = text("warning");
  row.classList.toggle("in-group", shown.isInGroup);
  if (shown.note) row.append(note(shown.note));
  if (shown.step) {
    row.classList.add("step");
    mark.replaceWith(stepHeading(seq, shown));
    write(message, seq, line.message, shown);
    message.title = line.message;
  } else if (shown.head) message.append(groupButton(seq, line, shown));
  else if (isEndOfGroup(line)) row.classList.add("group-end");
  else write(message, seq, line.message, shown);
  sayInOwnLanguage(message, line);
  return row;
}

// A line in which something is marked, is a link or has a colour is shown as it is stored.
function sayInOwnLanguage(place, line) {
  const said = place.childElementCount ? "" : saidOf(line);
  if (!said) return;
  place.dataset.said = said;
  place.title = line.message;
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
  const marked = (words, isLink) =>
    isLink ? withMarks(words, needle) : withLinks(words, needle, isLong);
  const isColoured = open || message.includes("\x1b");
  place.append(...(isColoured ? coloured(shown, open, marked) : marked(shown, false)));
  if (!isLong) return;
  const rest = number(message.length - LONGEST_SHOWN);
  place.append(button("rest", seq, text("moreCharacters", { n: rest })));
}

function groupButton(seq, line, shown) {
  return foldButton("group", seq, titleOfGroup(line.message), shown);
}

// "▾ 2 Update reuse · 161 ms ✓"; the line itself stands behind it, for whoever asks.
function stepHeading(seq, shown) {
  const heading = element("span", "heading", "");
  heading.append(foldButton("step", seq, titleOf(shown.step), shown));
  const took = tookOf(shown.step);
  if (took) heading.append(element("span", "took", took));
  const { state, shape, words } = stateOf(shown.step);
  if (state) {
    const sign = element("span", "state", shape);
    sign.dataset.status = state;
    sign.title = words;
    sign.setAttribute("role", "img");
    sign.setAttribute("aria-label", words);
    heading.append(sign);
  }
  return heading;
}

function foldButton(act, seq, title, { head, needle }) {
  const made = button(act, seq, "");
  made.setAttribute("aria-expanded", String(!head.isFolded));
  made.append(...withMarks(title, needle));
  if (head.isFolded && head.lines) {
    made.append(element("span", "muted", ` ${counted("line", "lines", head.lines)}`));
  }
  return made;
}

function note(words) {
  return element("span", "note", words);
}

function element(tag, name, words) {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = words;
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

function withLinks(words, needle, isCut) {
  return withAddresses(words, isCut).flatMap(({ text: piece, url }) =>
    url ? [linkTo(url, withMarks(piece, needle))] : withMarks(piece, needle),
  );
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
  return words.split(BY_DIRECTION).map((piece, index) => (index % 2 ? directionName(piece) : piece));
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
