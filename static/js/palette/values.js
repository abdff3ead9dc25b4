// What of a query is a type's name and what are values of its parameters: "fs886" is
// "fs" with v886, "回滚 ios" is "回滚" with iOS.

const SPACE = /\s+/u;
// Where a word may come from two: 回滚|ios, fs|886, fs|v886.
const SEAM =
  /(?<=\p{Script=Han})(?=[a-z0-9])|(?<=[a-z0-9])(?=\p{Script=Han})|(?<=[a-uw-z])(?=v?[0-9])/iu;
const MOST_PIECES = 6;
const SHORTEST_BEGINNING = 3; // of a choice that is not typed whole
const FREE_TEXT = 4; // what it costs to take a word for a text that may be anything

// Each way to read a query: words of a name, and values. There are 64 at most; what is
// longer than anybody types is a name.
export function readings(query) {
  const words = query.split(SPACE);
  const pieces = words.flatMap(cut);
  if (pieces.length > MOST_PIECES) return [{ words, values: [] }];
  return Array.from({ length: 2 ** pieces.length }, (_, taken) => ({
    words: runs(pieces, (i) => !(taken & (1 << i))),
    values: runs(pieces, (i) => Boolean(taken & (1 << i))),
  }));
}

function cut(word) {
  return word
    .split(SEAM)
    .filter(Boolean)
    .map((text, i) => ({ text, isGlued: i > 0 }));
}

// The pieces that are chosen; those that were one word stay one.
function runs(pieces, isChosen) {
  const found = [];
  pieces.forEach(({ text, isGlued }, i) => {
    if (!isChosen(i)) return;
    if (isGlued && isChosen(i - 1)) found.push(found.pop() + text);
    else found.push(text);
  });
  return found;
}

// The parameters that take the values, and what that costs; null where one fits none.
export function assigned(values, params) {
  const taken = new Map();
  let cost = 0;
  for (const value of values) {
    let found = null;
    const param = params.find((one) => !taken.has(one) && (found = fitting(value, one)));
    if (!param) return null;
    taken.set(param, found);
    if (!param.pattern && !param.choices.length) cost += FREE_TEXT;
  }
  return { cost, params: [...taken].map(([param, found]) => ({ param, ...found })) };
}

// The value as the parameter wants it, and how it reads.
function fitting(value, param) {
  if (param.choices.length) return choiceOf(value, param.choices);
  if (!param.pattern) return value.startsWith("-") ? null : { value, title: value };
  const tries = [value, value.toLowerCase(), prefixOf(param.pattern) + value];
  const found = tries.find((one) => isLike(one, param.pattern));
  return found === undefined ? null : { value: found, title: found };
}

function choiceOf(typed, choices) {
  const text = typed.toLowerCase();
  const has = (fits) => choices.filter(({ names }) => names.some((n) => fits(n.toLowerCase())));
  const [exact] = has((name) => name === text);
  if (exact || text.length < SHORTEST_BEGINNING) return exact ?? null;
  return has((name) => name.startsWith(text))[0] ?? null;
}

// The characters with which all that a pattern describes begins, as far as that is plain.
function prefixOf(pattern) {
  return /^[\w-]*(?![*?{])/u.exec(pattern)[0];
}

const made = new Map();

function isLike(value, pattern) {
  if (!made.has(pattern)) made.set(pattern, expression(pattern));
  return Boolean(made.get(pattern)?.test(value));
}

function expression(pattern) {
  try {
    return new RegExp(`^(?:${pattern})$`, "u");
  } catch {
    return null; // a pattern that only Python knows
  }
}
