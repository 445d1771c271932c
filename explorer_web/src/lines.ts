/** Lines over time in a strip of a pane. */

import { pageColour } from "./palette";
import { type Store } from "./store";
import { type Strip, type TimePane } from "./timepane";

export interface Line {
  value: (t: number) => number;
  colour: string;
  /** Drawn thin and grey: how it was before the reader's changes. */
  ghost?: boolean;
  /** Its own scale, where it does not share the others'. */
  range?: [number, number];
}

export interface Scale {
  low: number;
  high: number;
  logarithmic?: boolean;
}

/** Draw lines; the scale is that of all their values unless it is given. */
export function drawLines(
  pane: TimePane,
  strip: Strip,
  store: Store,
  lines: Line[],
  given?: Scale,
): void {
  const context = pane.begin(strip);
  const scale = given ?? rangeOf(store, lines);
  const inside = strip.height - 12;
  const y = (value: number) => {
    const [low, high, at] = scale.logarithmic
      ? [Math.log(scale.low), Math.log(scale.high), Math.log(Math.max(value, scale.low))]
      : [scale.low, scale.high, value];
    return 6 + inside * (1 - (at - low) / (high - low || 1));
  };
  context.strokeStyle = pageColour("rule");
  context.lineWidth = 1;
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = pageColour("muted");
  const written: number[] = [];
  for (const value of ticks(scale)) {
    context.beginPath();
    context.moveTo(0, Math.round(y(value)) + 0.5);
    context.lineTo(pane.width, Math.round(y(value)) + 0.5);
    context.stroke();
    const place = y(value) < 14 ? y(value) + 11 : y(value) - 3;
    if (written.some((other) => Math.abs(other - place) < 11)) continue;
    context.fillText(tickText(value, scale), 3, place);
    written.push(place);
  }
  for (const line of lines) {
    context.strokeStyle = line.ghost ? pageColour("faint") : line.colour;
    context.lineWidth = line.ghost ? 1.5 : 2;
    context.setLineDash(line.ghost ? [4, 3] : []);
    context.beginPath();
    let drawing = false;
    for (let t = store.from; t < store.to; t++) {
      const value = line.value(t);
      if (!Number.isFinite(value) || (scale.logarithmic && value <= 0)) {
        drawing = false;
        continue;
      }
      const x = pane.x(t) + pane.columnWidth / 2;
      if (drawing) context.lineTo(x, y(value));
      else context.moveTo(x, y(value));
      drawing = true;
    }
    context.stroke();
    if (!line.ghost && pane.columnWidth >= 9) dots(context, pane, store, line, y, scale);
  }
  context.setLineDash([]);
}

function dots(
  context: CanvasRenderingContext2D,
  pane: TimePane,
  store: Store,
  line: Line,
  y: (value: number) => number,
  scale: Scale,
): void {
  context.fillStyle = line.colour;
  for (let t = store.from; t < store.to; t++) {
    const value = line.value(t);
    if (!Number.isFinite(value) || (scale.logarithmic && value <= 0)) continue;
    context.beginPath();
    context.arc(pane.x(t) + pane.columnWidth / 2, y(value), 2.5, 0, 7);
    context.fill();
  }
}

function rangeOf(store: Store, lines: Line[]): Scale {
  let [low, high] = [Infinity, -Infinity];
  for (const line of lines)
    for (let t = store.from; t < store.to; t++) {
      const value = line.value(t);
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  if (low > high) return { low: -1, high: 1 };
  return low === high ? { low: low - 1, high: high + 1 } : { low, high };
}

/** Round numbers to draw lines at. */
export function ticks({ low, high, logarithmic }: Scale): number[] {
  if (logarithmic) {
    const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    const every = Math.max(1, Math.ceil((last - first) / 4));
    const found: number[] = [];
    for (let k = last; k >= first; k -= every) found.push(10 ** k);
    return found;
  }
  const rough = (high - low) / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= rough) ?? power;
  const found: number[] = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9; k++) found.push(k * step);
  return found;
}

function tickText(value: number, { logarithmic }: Scale): string {
  if (!logarithmic) return String(Number(value.toPrecision(3))).replace("-", "−");
  return value >= 0.01
    ? String(Number(value.toPrecision(1)))
    : value.toExponential(0).replace("-", "−");
}
