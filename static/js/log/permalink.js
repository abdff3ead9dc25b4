// #L12 and #L10-L20: lines that a link names.

export function linesOf(hash) {
  const found = /^#L([1-9]\d{0,15})(?:-L([1-9]\d{0,15}))?$/.exec(hash);
  if (!found) return null;
  const [one, other] = [Number(found[1]), Number(found[2] ?? found[1])];
  return { from: Math.min(one, other), to: Math.max(one, other) };
}

export function hashOf({ from, to }) {
  return from === to ? `#L${from}` : `#L${from}-L${to}`;
}
