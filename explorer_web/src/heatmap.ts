/** Numbers over time as colours, in a strip of a pane, with the scale in its gutter. */

import { make, shown } from "./element";
import { type Matrix } from "./matrix";
import { type Palette } from "./palette";
import { type Store } from "./store";
import { type Strip, type TimePane } from "./timepane";

const image = make("canvas"); // of one pixel for each number; every map is drawn by way of it

/** Draw the columns of `values` that `rows` names, from top to bottom. */
export function drawMap(
  pane: TimePane,
  strip: Strip,
  { from, to }: Store,
  values: Matrix,
  rows: number[],
  palette: Palette,
): void {
  // a row of the picture is a step, as the numbers lie in memory; it is turned when it is drawn
  image.width = rows.length;
  image.height = to - from;
  const paint = image.getContext("2d")!;
  const pixels = paint.createImageData(rows.length, to - from);
  palette.paint(
    values.data.subarray(from * values.columns, to * values.columns),
    rows,
    new Uint32Array(pixels.data.buffer),
  );
  paint.putImageData(pixels, 0, 0);
  const context = pane.begin(strip);
  const scale = window.devicePixelRatio || 1;
  context.imageSmoothingEnabled =
    pane.width * scale < to - from || strip.height * scale < rows.length;
  context.transform(0, 1, 1, 0, 0, 0);
  context.drawImage(image, 0, 0, strip.height, pane.width);
  drawScale(strip, palette);
}

function drawScale({ label }: Strip, palette: Palette): void {
  const bar = label.querySelector<HTMLElement>(".scale")!;
  bar.style.setProperty("--scale", palette.gradient());
  const end = (value: number) =>
    Math.abs(value) < 10 && value % 1 ? shown(value, 2) : shown(value, 0);
  bar.replaceChildren(
    make("span", {}, end(palette.low)),
    make("i"),
    make("span", {}, end(palette.high)),
  );
}

/** What of `rows` stands at a height in the strip. */
export function rowAt({ height }: Strip, rows: number[], y: number): number {
  return rows[Math.max(0, Math.min(rows.length - 1, Math.floor((y / height) * rows.length)))];
}

/** A mark beside a row; hidden where it is not shown. */
export function markRow(strip: Strip, row: number, count: number): void {
  const mark =
    strip.label.querySelector<HTMLElement>(".row-mark") ??
    strip.label.appendChild(make("span", { class: "row-mark", "aria-hidden": "true" }));
  mark.hidden = row < 0;
  mark.style.top = `${((row + 0.5) / count) * strip.height}px`;
}
