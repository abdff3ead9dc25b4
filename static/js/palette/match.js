// How well what somebody typed fits a name. Letters stand for beginnings of words, for
// parts of them and, in Chinese, for the first letter of a character's pinyin.

const NEXT_WORD = 1; // to go on at a later word
const WITHIN_WORD = 3; // to leave letters out
const LATER_WORD = 2; // to begin at another word than the first
const MID_WORD = 6;
const MOST = (length) => 2.5 + 2 * length; // what costs more is chance
const UNMATCHED = 0.02; // of two names that fit alike the shorter one is meant
const LONGEST = 64; // characters

// name: text, and letters, which has those of each character where it is Chinese.
// Returns what it costs and at which characters it fits; null where it does not.
export function match(typed, name) {
  const wanted = [...typed.toLowerCase()].slice(0, LONGEST);
  const { choices, opens } = prepared(name);
  if (!wanted.length || wanted.length > choices.length) return null;
  let row = [];
  for (const [i, character] of wanted.entries()) {
    const before = row;
    row = choices.map((ones, j) =>
      ones.includes(character) ? reached(i, j, before, opens) : null,
    );
    if (!row.some(Boolean)) return null;
  }
  const best = row.filter(Boolean).reduce((a, b) => (b.cost < a.cost ? b : a));
  if (best.cost > MOST(wanted.length)) return null;
  return { cost: best.cost + UNMATCHED * (choices.length - wanted.length), at: best.at };
}

const known = new WeakMap();

// Of each character of a name: what may be typed for it, and whether a word begins there.
function prepared(name) {
  if (!known.has(name)) {
    const there = [...name.text];
    const choices = there.map((c, j) => c.toLowerCase() + (name.letters?.[j] ?? ""));
    known.set(name, { choices, opens: there.map((_, j) => opensWord(there, j)) });
  }
  return known.get(name);
}

// The best of several names, with the one it is.
export function matchAny(typed, names) {
  return names.reduce((best, name) => {
    const found = match(typed, name);
    return found && !(best?.cost <= found.cost) ? { ...found, name } : best;
  }, null);
}

// Several words, in the name's order and as one, or each by itself.
export function matchWords(words, names) {
  if (words.length < 2) return matchAny(words[0] ?? "", names);
  const whole = matchAny(words.join(""), names);
  const each = names.map((name) => matchEach(words, name)).filter(Boolean);
  const found = [whole, ...each].filter(Boolean);
  return found.sort((a, b) => a.cost - b.cost)[0] ?? null;
}

function matchEach(words, name) {
  const found = words.map((word) => match(word, name));
  if (!found.every(Boolean)) return null;
  const cost = found.reduce((sum, one) => sum + one.cost, words.length);
  const at = [...new Set(found.flatMap((one) => one.at))].sort((a, b) => a - b);
  return { cost, at, name };
}

// The i-th character at the j-th of the name, behind the cheapest place of the one before.
function reached(i, j, before, opens) {
  if (i === 0) return { cost: j === 0 ? 0 : opens[j] ? LATER_WORD : MID_WORD, at: [j] };
  let best = null;
  for (let k = 0; k < j; k++) {
    if (!before[k]) continue;
    const cost = before[k].cost + (k === j - 1 ? 0 : opens[j] ? NEXT_WORD : WITHIN_WORD);
    if (!best || cost < best.cost) best = { cost, at: [...before[k].at, j] };
  }
  return best;
}

const IN_WORD = /[\p{L}\p{N}]/u;
const CHINESE = /\p{Script=Han}/u;
const LOWER = /\p{Ll}/u;
const UPPER = /\p{Lu}/u;

function opensWord(characters, j) {
  if (j === 0) return true;
  const [before, here] = [characters[j - 1], characters[j]];
  if (CHINESE.test(here) || CHINESE.test(before) || !IN_WORD.test(before)) return true;
  return LOWER.test(before) && UPPER.test(here);
}
