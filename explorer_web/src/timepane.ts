/** Charts over time, one above the other, that share the axis, the labels and the cursor. */

import { make } from "./element";
import { pageColour } from "./palette";
import { type Store } from "./store";

const LONGEST = 100; // pixels of a label; longer ones are narrowed

export interface Strip {
  canvas: HTMLCanvasElement;
  label: HTMLElement;
  height: number;
}

export class TimePane {
  readonly element = make("div", { class: "pane" });
  private readonly cursor = make("div", { class: "cursor", "aria-hidden": "true" });
  private readonly axis: Strip;
  /** Of the axis, until it changes: to ask the browser in the middle of drawing costs a layout. */
  private measured: number | null = null;

  constructor(
    private readonly store: Store,
    /** Told where the reader points. */
    private readonly onPoint: (
      strip: Strip,
      t: number,
      y: number,
      pressed: boolean,
    ) => void = () => {},
  ) {
    this.element.append(this.cursor);
    this.axis = this.add("", 30, "");
    this.axis.canvas.setAttribute("aria-hidden", "true");
    new ResizeObserver(() => (this.measured = null)).observe(this.axis.canvas);
  }

  /** A new chart at the end. */
  add(label: Node | string, height: number, says: string): Strip {
    const canvas = make("canvas", { role: "img", "aria-label": says });
    const name = make("div", { class: "gutter" }, label);
    const strip = { canvas, label: name, height };
    this.element.append(make("div", { class: "strip" }, name, canvas));
    const point = (event: PointerEvent, pressed: boolean) => {
      const box = canvas.getBoundingClientRect();
      this.onPoint(strip, this.stepAt(event.clientX - box.left), event.clientY - box.top, pressed);
    };
    canvas.addEventListener("pointerdown", (event) => {
      this.store.setCursor(this.stepAt(event.clientX - canvas.getBoundingClientRect().left));
      point(event, true);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons & 1)
        this.store.setCursor(this.stepAt(event.clientX - canvas.getBoundingClientRect().left));
      point(event, false);
    });
    return strip;
  }

  remove(strip: Strip): void {
    strip.canvas.parentElement!.remove();
  }

  /** Pixels of the axis. */
  get width(): number {
    return (this.measured ??= Math.max(10, this.axis.canvas.clientWidth));
  }

  get columnWidth(): number {
    return this.width / (this.store.to - this.store.from);
  }

  /** Where the column of a step begins. */
  x(t: number): number {
    return (t - this.store.from) * this.columnWidth;
  }

  stepAt(x: number): number {
    const { from, to } = this.store;
    return Math.max(from, Math.min(to - 1, from + Math.floor(x / this.columnWidth)));
  }

  /** A canvas of the right size, cleared, in units of CSS pixels. */
  begin(strip: Strip): CanvasRenderingContext2D {
    const scale = window.devicePixelRatio || 1;
    const { canvas, height } = strip;
    const [w, h] = [Math.round(this.width * scale), Math.round(height * scale)];
    if (canvas.width !== w) canvas.width = w;
    if (canvas.height !== h) canvas.height = h;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d")!;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, this.width, height);
    return context;
  }

  /** The labels of the steps, as many as there is room for. */
  drawAxis(): void {
    const { store, axis } = this;
    const measure = document.createElement("canvas").getContext("2d")!;
    measure.font = "12px system-ui, sans-serif";
    const named = store.run.input.tokens || store.document.input.labels;
    const labels = named ? store.labels() : store.labels().map((_, t) => `${t}`);
    const longest = labels.reduce((most, label) => (label.length > most.length ? label : most), "");
    const widest = measure.measureText(longest).width;
    const level = widest + 6 <= this.columnWidth;
    const slanted = !!named && !level && this.columnWidth >= 13;
    const single = !level && widest <= 14 && this.columnWidth >= 7;
    // as steep as it takes for the last label to end inside
    const length = Math.min(LONGEST, widest);
    const slope = Math.acos(Math.min(0.5, Math.max(0, this.columnWidth / 2 - 4) / length));
    axis.height = slanted && !single ? Math.ceil(14 + length * Math.sin(slope)) : 24;
    const context = this.begin(axis);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "alphabetic";
    const every = level || slanted || single ? 1 : Math.ceil(44 / this.columnWidth / 5) * 5;
    for (let t = Math.ceil(store.from / every) * every; t < store.to; t += every) {
      context.fillStyle = pageColour(t === store.cursor ? "ink" : "muted");
      const middle = this.x(t) + this.columnWidth / 2;
      if (slanted && !single) {
        context.save();
        context.translate(middle + 3, axis.height - 4);
        context.rotate(-slope);
        context.fillText(labels[t], 0, 0, LONGEST);
        context.restore();
      } else {
        const text = every === 1 ? labels[t] : `${t}`;
        context.textAlign = "center";
        const half = context.measureText(text).width / 2;
        const inside = Math.min(Math.max(middle, half), this.width - half);
        context.fillText(text, level ? middle : inside, axis.height - 7);
      }
    }
  }

  placeCursor(): void {
    const { store } = this;
    const inside = store.cursor >= store.from && store.cursor < store.to;
    this.cursor.hidden = !inside;
    const start = this.axis.canvas.offsetLeft + this.x(store.cursor);
    this.cursor.style.left = `${start}px`;
    this.cursor.style.width = `${Math.max(2, this.columnWidth)}px`;
  }
}
