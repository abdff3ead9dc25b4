// What would make an eye stop on the page that is open: a sentence for each, and the
// words that are seen. Evaluated in the page by eye.py.
() => {
  const SMALLEST_TEXT = 12;
  const LEAST_CONTRAST = 4.5;
  const SMALLEST_TARGET = 24;
  const width = document.documentElement.clientWidth;
  const found = new Set();

  function say(rule, element, words = "") {
    const { id, className } = element;
    const names = typeof className === "string" && className.trim().split(/\s+/);
    const parent = element.parentElement?.className;
    const place = [
      typeof parent === "string" && parent ? `.${parent.split(/\s+/)[0]} > ` : "",
      element.localName,
      id ? `#${id}` : "",
      names && names[0] ? `.${names.join(".")}` : "",
    ].join("");
    found.add(`${rule}: ${place} ${words.replace(/\s+/g, " ").trim().slice(0, 60)}`);
  }

  // --- What is seen of an element ---------------------------------------------------

  /** The element that places this one: what it is cut by, and what lies behind it. */
  function holder(element, { position }) {
    if (position === "fixed") return null;
    return (position === "absolute" && element.offsetParent) || element.parentElement;
  }

  /** What is left of a rectangle between the edges of all that holds it. */
  function seenPart({ left, top, right, bottom }, element) {
    let isCut = false;
    let style = getComputedStyle(element);
    const letter = parseFloat(style.fontSize);
    if (right < -width) return null; // parked there until it has the focus
    for (let box = element; box && box !== document.body; ) {
      style = getComputedStyle(box);
      // For screen readers alone.
      if (style.clipPath.startsWith("inset(50%")) return null;
      const edge = box.getBoundingClientRect();
      if (style.overflowX !== "visible") {
        const isOver = right > edge.right + 1 || left < edge.left - 1;
        isCut ||= isOver && isHard(style.overflowX) && style.textOverflow !== "ellipsis";
        left = Math.max(left, edge.left);
        right = Math.min(right, edge.right);
      }
      if (style.overflowY !== "visible") {
        const isOver = bottom > edge.bottom + 3 || top < edge.top - 3;
        isCut ||= isOver && isHard(style.overflowY) && style.webkitLineClamp === "none";
        top = Math.max(top, edge.top);
        bottom = Math.min(bottom, edge.bottom);
      }
      if (right - left < 1 || bottom - top < 1) return null;
      box = holder(box, style);
    }
    // One sign alone may be left on purpose.
    return { left, top, right, bottom, isCut: isCut && right - left > letter };
  }

  const isHard = (overflow) => overflow === "hidden" || overflow === "clip";
  const isShown = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true });

  /** Every line of text that is seen. */
  function pieces() {
    const seen = [];
    const range = document.createRange();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode;
      const element = node.parentElement;
      if (!node.data.trim() || !isShown(element)) continue;
      range.selectNodeContents(node);
      for (const line of range.getClientRects()) {
        const part = line.width >= 1 && seenPart(line, element);
        if (part) seen.push({ ...part, line, node, element, words: node.data });
      }
    }
    return seen;
  }

  // --- Colours ----------------------------------------------------------------------

  const paint = document
    .createElement("canvas")
    .getContext("2d", { willReadFrequently: true });
  const parsed = new Map();
  function rgba(colour) {
    if (!parsed.has(colour)) {
      paint.clearRect(0, 0, 1, 1);
      paint.fillStyle = colour;
      paint.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
      parsed.set(colour, { rgb: [r, g, b], alpha: a / 255 });
    }
    return parsed.get(colour);
  }
  const over = (above, alpha, below) =>
    above.map((value, i) => value * alpha + below[i] * (1 - alpha));

  /** The colour behind a piece of text, of boxes and of shapes drawn before it. */
  function ground({ element, line }) {
    const layers = [];
    const drawing = element.closest("svg");
    const [x, y] = [(line.left + line.right) / 2, (line.top + line.bottom) / 2];
    const shapes = [...(drawing?.querySelectorAll("rect") ?? [])].filter((shape) => {
      const box = shape.getBoundingClientRect();
      const isBefore =
        shape.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING;
      return isBefore && box.left <= x && x <= box.right && box.top <= y && y <= box.bottom;
    });
    for (const shape of shapes.reverse()) {
      const { fill, fillOpacity, opacity } = getComputedStyle(shape);
      const { rgb, alpha } = fill === "none" ? rgba("transparent") : rgba(fill);
      layers.push({ rgb, alpha: alpha * fillOpacity * opacity });
    }
    for (let box = element; box; ) {
      const style = getComputedStyle(box);
      layers.push(rgba(style.backgroundColor));
      box = holder(box, style);
    }
    return layers.reduceRight(
      (below, { rgb, alpha }) => over(rgb, alpha, below),
      rgba(getComputedStyle(document.documentElement).backgroundColor).rgb,
    );
  }

  function luminance(rgb) {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  function contrast(piece) {
    const { color, fill } = getComputedStyle(piece.element);
    const isDrawn = piece.element instanceof SVGElement;
    let { rgb, alpha } = rgba(isDrawn ? fill : color);
    for (let box = piece.element; box; box = box.parentElement) {
      alpha *= Number(getComputedStyle(box).opacity);
    }
    const below = ground(piece);
    const [dark, light] = [luminance(over(rgb, alpha, below)), luminance(below)].sort(
      (one, other) => one - other,
    );
    return (light + 0.05) / (dark + 0.05);
  }

  // --- Texts ------------------------------------------------------------------------

  const texts = pieces();
  const judged = new Set();
  for (const piece of texts) {
    const { element, words, left, right, isCut } = piece;
    if (isCut) say("cut off", element, words);
    if (right > width + 1 || left < -1) say("outside the window", element, words);
    if (judged.has(element)) continue;
    judged.add(element);
    const size = parseFloat(getComputedStyle(element).fontSize);
    if (size < SMALLEST_TEXT) say(`text of ${size} px`, element, words);
    if (element.closest(":disabled, [aria-disabled=true]")) continue;
    const ratio = contrast(piece);
    if (ratio < LEAST_CONTRAST) say(`contrast of ${ratio.toFixed(1)}`, element, words);
  }

  /** Whether something that is not seen through lies between the two. */
  function isCovered(one, other, x, y) {
    const stack = document.elementsFromPoint(x, y);
    const places = [one, other].map(({ element }) => stack.indexOf(element));
    if (places.includes(-1)) return false;
    return stack
      .slice(Math.min(...places), Math.max(...places))
      .some((box) => rgba(getComputedStyle(box).backgroundColor).alpha > 0.99);
  }

  texts.sort((one, other) => one.top - other.top);
  texts.forEach((one, i) => {
    for (let k = i + 1; k < texts.length && texts[k].top < one.bottom; k += 1) {
      const other = texts[k];
      if (one.node === other.node) continue;
      const left = Math.max(one.left, other.left);
      const right = Math.min(one.right, other.right);
      const bottom = Math.min(one.bottom, other.bottom);
      const lower = Math.min(one.bottom - one.top, other.bottom - other.top);
      // Boxes of lines are higher than their letters.
      if (right - left <= 2 || bottom - other.top <= lower * 0.35) continue;
      if (isCovered(one, other, (left + right) / 2, (other.top + bottom) / 2)) continue;
      say("overlaps", one.element, `“${one.words.trim()}” and “${other.words.trim()}”`);
    }
  });

  // --- The page, and what is clicked ------------------------------------------------

  if (document.documentElement.scrollWidth > width) {
    say("scrolls sideways", document.documentElement);
  }

  /** What takes the click: its label, or the box that its ::after is spread over. */
  function targetBox(element) {
    const { position, content, inset } = getComputedStyle(element, "::after");
    const isSpread = content !== "none" && position === "absolute" && inset === "0px";
    const spread = isSpread ? element.offsetParent : null;
    return (spread ?? element.closest("label") ?? element).getBoundingClientRect();
  }

  // Numbers of lines stand as close as the lines; a drawing has a table beside it.
  const targets = [...document.querySelectorAll("a[href], button, input, select, summary")]
    .filter((element) => isShown(element) && !element.closest("ol.log, svg"))
    .map((element) => ({ element, box: targetBox(element) }))
    .filter(({ element, box }) => box.width && seenPart(box, element))
    .map(({ element, box }) => ({
      element,
      box,
      x: (box.left + box.right) / 2,
      y: (box.top + box.bottom) / 2,
    }));

  /** A link among words, whose height is that of the line. */
  function isInText(element) {
    if (getComputedStyle(element).display !== "inline") return false;
    return [...element.parentElement.childNodes].some(
      (node) => node.nodeType === Node.TEXT_NODE && /\p{L}|\p{N}/u.test(node.data),
    );
  }

  const isSmall = ({ box }) =>
    Math.min(box.width, box.height) < SMALLEST_TARGET - 0.5;
  /** Whether a circle as wide as a target should be meets another one (WCAG 2.5.8). */
  function hasNoRoom(small, other) {
    if (isSmall(other)) {
      return Math.hypot(small.x - other.x, small.y - other.y) < SMALLEST_TARGET - 0.5;
    }
    const { left, right, top, bottom } = other.box;
    const dx = Math.max(left - small.x, 0, small.x - right);
    const dy = Math.max(top - small.y, 0, small.y - bottom);
    return Math.hypot(dx, dy) < SMALLEST_TARGET / 2 - 0.5;
  }
  for (const small of targets.filter(isSmall)) {
    const { element, box } = small;
    const others = targets.filter((other) => other.box !== box && other.element !== element);
    if (isInText(element) || !others.some((other) => hasNoRoom(small, other))) continue;
    const size = `${Math.round(box.width)} × ${Math.round(box.height)} px`;
    say(`target of ${size}`, element, element.textContent);
  }

  // --- What is read -----------------------------------------------------------------

  const words = new Set();
  for (const { element, words: text } of texts) {
    if (!element.closest("ol.log, .user, [lang]:not(html)")) words.add(text.trim());
  }
  for (const element of document.querySelectorAll("[title], [aria-label], [placeholder]")) {
    if (!isShown(element) || element.closest("ol.log")) continue;
    for (const name of ["title", "aria-label", "placeholder"]) {
      if (element.hasAttribute(name)) words.add(element.getAttribute(name));
    }
  }
  return {
    found: [...found],
    words: [...words].map((text) => text.replace(/\s+/g, " ")),
    head: document.querySelector(".top").offsetHeight,
  };
}
