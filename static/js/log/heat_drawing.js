// The picture of the strip: one row of pixels after the other, from what lies in each.

const PART_PX = 2; // of one measurement of the density
const DENSEST_PX = 8;
const LANES = { warnings: [7, 7], errors: [7, 7], matches: [0, 7] }; // left edge and width

export function drawHeat(strip, canvas, { total, scale, steps, ...marks }) {
  const { clientWidth: width, clientHeight: height } = strip;
  const pen = sized(canvas, width, height);
  if (!total) return;
  drawSteps(pen, strip, steps, { total, width, height });
  pen.fillStyle = inkOf(strip, "density");
  const parts = Math.max(1, Math.floor(height / PART_PX));
  scale.densities(parts, total).forEach((density, part) => {
    const length = Math.round(density * DENSEST_PX);
    pen.fillRect(width - length, (part * height) / parts, length, height / parts);
  });
  for (const [name, [left, length]] of Object.entries(LANES)) {
    pen.fillStyle = inkOf(strip, name);
    for (const [top, size] of rowsWith(marks[name], total, height)) {
      pen.fillRect(left, top, length, size);
    }
  }
}

function sized(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  return pen;
}

// Every other one has a ground, and each begins with a line.
function drawSteps(pen, strip, steps, { total, width, height }) {
  steps.forEach(({ seq }, index) => {
    const top = ((seq - 1) / total) * height;
    const end = (((steps[index + 1]?.seq ?? total + 1) - 1) / total) * height;
    if (index % 2) {
      pen.fillStyle = inkOf(strip, "band");
      pen.fillRect(0, top, width, end - top);
    }
    if (!index) return;
    pen.fillStyle = inkOf(strip, "step");
    pen.fillRect(0, Math.round(top), width, 1);
  });
}

// [top, height] of what is marked, rows that touch as one; so that one line among a
// million is seen, each is two pixels high at least.
function rowsWith(ranges, total, height) {
  const found = [];
  if (!ranges.count) return found;
  const lines = total / height;
  for (let y = 0; y < height; y++) {
    const first = Math.floor(y * lines) + 1;
    const last = Math.max(first, Math.floor((y + 1) * lines));
    if (!ranges.hasWithin(first, last)) continue;
    const before = found.at(-1);
    if (before && before[0] + before[1] >= y) before[1] = Math.max(before[1], y + 1 - before[0]);
    else found.push([y, Math.max(2, Math.min(20, 1 / lines))]);
  }
  return found;
}

// Colours are the style sheet's, which knows the theme.
function inkOf(strip, name) {
  return getComputedStyle(strip.querySelector(`[data-ink="${name}"]`)).color;
}
