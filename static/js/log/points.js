// A place in a line's text as a place in the page, and the other way round.

export function seqOf(row) {
  return Number(row.id.slice(1));
}

// {seq, offset} of a place among the rows; before or behind them it is their end there.
export function pointAt(list, node, offset) {
  if (!list.childElementCount) return null;
  if (node === list) return startOf(list.children[offset]) ?? endOf(list.lastElementChild);
  if (!list.contains(node)) {
    const isBehind = list.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING;
    return isBehind ? endOf(list.lastElementChild) : startOf(list.firstElementChild);
  }
  const row = (node.closest ? node : node.parentElement).closest("li");
  const range = document.createRange();
  range.selectNodeContents(row.querySelector(".m"));
  const side = range.comparePoint(node, offset);
  if (side < 0) return startOf(row);
  if (side > 0) return endOf(row);
  range.setEnd(node, offset);
  return { seq: seqOf(row), offset: range.toString().length };
}

function startOf(row) {
  return row && { seq: seqOf(row), offset: 0 };
}

function endOf(row) {
  return { seq: seqOf(row), offset: row.querySelector(".m").textContent.length };
}

// {node, offset} of a place in a row's text.
export function nodeAt(row, offset) {
  const message = row.querySelector(".m");
  const texts = document.createTreeWalker(message, NodeFilter.SHOW_TEXT);
  let left = offset;
  while (texts.nextNode()) {
    const { currentNode } = texts;
    if (left <= currentNode.length) return { node: currentNode, offset: left };
    left -= currentNode.length;
  }
  return { node: message, offset: message.childNodes.length };
}
