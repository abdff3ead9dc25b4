// Tasks and lines that somebody pasted: an id, an address of a task's page, "#L12-L20".

const ID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/iu;
const LINES = /(?:^|#)L([1-9][0-9]{0,11})(?:-L?([1-9][0-9]{0,11}))?$/iu;

// Where it leads, and how that reads; null where it is no address. Lines alone are those
// of the page, if it has any.
export function addressed(typed, texts, hasLog) {
  const task = ID.exec(typed)?.[0].toLowerCase();
  const [, from, to] = LINES.exec(typed) ?? [];
  if (!task && !(from && hasLog)) return null;
  const hash = from ? `#L${from}${to ? `-L${to}` : ""}` : "";
  const path = task ? `/tasks/${task}` : "";
  const lines = from ? said(to ? texts.lines : texts.line, { n: from, from, to }) : "";
  const title = task ? said(texts.task, { id: task.slice(0, 8) }) : lines;
  return { task, title, values: task && lines ? [lines] : [], url: path + hash, cost: -1 };
}

function said(words, values) {
  return words.replace(/\{(\w+)\}/gu, (all, name) => values[name] ?? all);
}
