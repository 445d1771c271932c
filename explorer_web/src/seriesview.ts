/** A series and its forecast as lines; the values of the present segment can be changed. */

import { make, measured } from "./element";
import { ticks } from "./lines";
import { type Matrix } from "./matrix";
import { lineColour, pageColour } from "./palette";
import { section } from "./section";
import { type Aspect, type Store, type View, touches } from "./store";

const HEIGHT = 240;
const MARGIN = { left: 54, right: 8, top: 10, bottom: 22 };
const GAP = 10; // between two times of the axis

export class SeriesView implements View {
  readonly element: HTMLElement;
  private readonly canvas = make("canvas", {
    role: "img",
    class: "series",
    "aria-label": "The series, its forecast and the range of its quantiles",
  });
  private readonly place = make("select", { "aria-label": "Which step of the segment" });
  private readonly value = make("input", {
    type: "number",
    step: "any",
    "aria-label": "Its value",
  });
  private readonly words = make("output", { class: "says", "aria-live": "polite" });
  private readonly future = make("select", { "aria-label": "Step of the forecast" });
  private low = 0;
  private high = 1;

  constructor(private readonly store: Store) {
    this.canvas.addEventListener("pointerdown", (event) => {
      const step = Math.floor(this.stepAt(event.offsetX));
      if (step < this.past) store.setCursor(Math.floor(step / this.decoder.segment));
      else store.set("asked", Math.min(step - this.past, this.decoder.horizon - 1));
    });
    this.place.addEventListener("change", () => this.fillValue());
    const form = make(
      "form",
      { class: "row", onsubmit: (event: Event) => this.put(event) },
      make("label", {}, "Change ", this.place, " to ", this.value),
      make("button", { type: "submit", class: "primary" }, "Apply"),
    );
    const { segment, best, times, floor } = this.decoder;
    this.future.append(
      ...times.slice(this.past).map((time, f) => make("option", { value: f }, time)),
    );
    this.future.addEventListener("change", () => store.set("asked", Number(this.future.value)));
    const blend = best === "network" ? "" : " and may blend it with a naive forecast";
    const least = floor === undefined ? "" : ` It falls nowhere below ${measured(floor)}.`;
    this.element = section(
      "reading",
      "What it reads, and what it forecasts",
      `The network reads ${segment} value${segment > 1 ? "s" : ""} at a step. Choose a place in the past to look at that step, or one in the forecast to ask about it. ` +
        `Shown is what the network says; the command forecast widens its quantiles to the measured coverage${blend}.${least}`,
      this.canvas,
      make("div", { class: "asked" }, "Asked about: ", this.future, this.words),
      form,
    );
  }

  update(aspects: Set<Aspect>): void {
    if (touches(aspects, "run", "cursor")) this.fillPlaces();
    if (touches(aspects, "run", "size", "cursor", "asked")) this.draw();
  }

  private get decoder() {
    return this.store.network.forecast!.decoder;
  }

  /** Steps of the past. */
  private get past(): number {
    return this.store.run.input.numbers!.data.length;
  }

  private get width(): number {
    return Math.max(100, this.canvas.clientWidth) - MARGIN.left - MARGIN.right;
  }

  private stepAt(x: number): number {
    return ((x - MARGIN.left) / this.width) * (this.past + this.decoder.horizon);
  }

  private x(step: number): number {
    return MARGIN.left + ((step + 0.5) / (this.past + this.decoder.horizon)) * this.width;
  }

  private y(value: number): number {
    const inside = HEIGHT - MARGIN.top - MARGIN.bottom;
    return MARGIN.top + inside * (1 - (value - this.low) / (this.high - this.low || 1));
  }

  private own(scaled: number): number {
    return scaled * this.decoder.unit + this.decoder.shift;
  }

  private draw(): void {
    const { store } = this;
    const scale = window.devicePixelRatio || 1;
    this.canvas.style.height = `${HEIGHT}px`;
    this.canvas.width = Math.round(this.canvas.clientWidth * scale);
    this.canvas.height = HEIGHT * scale;
    const context = this.canvas.getContext("2d")!;
    context.scale(scale, scale);
    const past = Array.from(store.run.input.numbers!.data, (value) => this.own(value));
    const quantiles = store.network.quantiles(store.run);
    const before = store.comparable ? store.network.quantiles(store.original) : null;
    const all = [...past, ...quantiles.data, ...(before?.data ?? [])];
    this.low = all.reduce((least, value) => Math.min(least, value), Infinity);
    this.high = all.reduce((most, value) => Math.max(most, value), -Infinity);
    this.drawFrame(context);
    this.drawBand(context, quantiles);
    const start = this.past;
    if (before) {
      const original = Array.from(store.original.input.numbers!.data, (value) => this.own(value));
      this.line(context, original, 0, pageColour("faint"), true);
      this.line(context, middle(before), start, pageColour("faint"), true);
    }
    this.line(context, past, 0, lineColour(0));
    this.line(context, middle(quantiles), start, lineColour(1));
    this.tell(quantiles);
  }

  private drawFrame(context: CanvasRenderingContext2D): void {
    const { store, decoder } = this;
    const { segment, horizon, times } = decoder;
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = pageColour("wash");
    const column = this.width / (this.past + horizon);
    context.fillRect(
      this.x(store.cursor * segment - 0.5),
      MARGIN.top,
      column * segment,
      HEIGHT - MARGIN.top - MARGIN.bottom,
    );
    context.fillStyle = pageColour("accent");
    context.fillRect(
      this.x(this.past + store.asked) - 0.75,
      MARGIN.top,
      1.5,
      HEIGHT - MARGIN.top - MARGIN.bottom,
    );
    context.strokeStyle = pageColour("rule");
    context.fillStyle = pageColour("muted");
    for (const value of ticks({ low: this.low, high: this.high })) {
      const y = Math.round(this.y(value)) + 0.5;
      context.beginPath();
      context.moveTo(MARGIN.left, y);
      context.lineTo(MARGIN.left + this.width, y);
      context.stroke();
      context.textAlign = "right";
      context.fillText(String(Number(value.toPrecision(3))), MARGIN.left - 6, y + 4);
    }
    const [width, last] = [this.width, times.length - 1];
    this.writeTimes(context, [
      [times[0], 0, "left"],
      [times[last], width, "right"],
      [times[this.past], this.x(this.past) - MARGIN.left, "center"],
    ]);
  }

  /** Write times below the axis, each where it has room beside those before it. */
  private writeTimes(
    context: CanvasRenderingContext2D,
    labels: [string, number, "left" | "right" | "center"][],
  ): void {
    const taken: [number, number][] = [];
    for (const [text, at, align] of labels) {
      const wide = context.measureText(text).width;
      const begin = at - wide * { left: 0, center: 0.5, right: 1 }[align];
      const end = begin + wide;
      if (taken.some(([from, to]) => begin < to + GAP && end > from - GAP)) continue;
      taken.push([begin, end]);
      context.textAlign = "left";
      context.fillText(text, MARGIN.left + begin, HEIGHT - 6);
    }
  }

  /** From the lowest to the highest quantile. */
  private drawBand(context: CanvasRenderingContext2D, quantiles: Matrix): void {
    if (quantiles.columns < 2) return;
    context.beginPath();
    for (let f = 0; f < quantiles.rows; f++)
      context.lineTo(this.x(this.past + f), this.y(quantiles.at(f, 0)));
    for (let f = quantiles.rows - 1; f >= 0; f--)
      context.lineTo(this.x(this.past + f), this.y(quantiles.at(f, quantiles.columns - 1)));
    context.fillStyle = lineColour(1) + "40";
    context.fill();
  }

  private line(
    context: CanvasRenderingContext2D,
    values: number[],
    start: number,
    colour: string,
    ghost = false,
  ): void {
    context.beginPath();
    values.forEach((value, k) => context.lineTo(this.x(start + k), this.y(value)));
    context.strokeStyle = colour;
    context.lineWidth = ghost ? 1.5 : 1.8;
    context.setLineDash(ghost ? [4, 3] : []);
    context.stroke();
    context.setLineDash([]);
    context.lineWidth = 1;
  }

  private tell(quantiles: Matrix): void {
    const { store, decoder } = this;
    const f = store.asked;
    const last = quantiles.columns - 1;
    const range = last
      ? `, between ${measured(quantiles.at(f, 0))} and ${measured(quantiles.at(f, last))} (quantiles ${decoder.quantiles[0]} and ${decoder.quantiles[last]})`
      : "";
    this.future.value = String(f);
    this.words.textContent = ` Forecast: ${measured(middle(quantiles)[f])}${range}.`;
  }

  private fillPlaces(): void {
    const { segment, times } = this.decoder;
    const first = this.store.cursor * segment;
    const chosen = Number(this.place.value) % segment || 0;
    this.place.replaceChildren(
      ...Array.from({ length: segment }, (_, k) =>
        make("option", { value: first + k, selected: k === chosen }, times[first + k]),
      ),
    );
    this.fillValue();
  }

  private fillValue(): void {
    this.value.value = String(
      Number(this.own(this.store.run.input.numbers!.data[Number(this.place.value)]).toPrecision(7)),
    );
  }

  private put(event: Event): void {
    event.preventDefault();
    if (!Number.isFinite(this.value.valueAsNumber)) return;
    const changed = this.store.run.input.numbers!.copy();
    const { unit, shift } = this.decoder;
    changed.data[Number(this.place.value)] = (this.value.valueAsNumber - shift) / unit;
    void this.store.read({ tokens: null, numbers: changed });
  }
}

function middle(quantiles: Matrix): number[] {
  const column = Math.floor(quantiles.columns / 2);
  return Array.from({ length: quantiles.rows }, (_, f) => quantiles.at(f, column));
}
