/** The numbers that the model reads, as lines or, where they are many, as colours; to be changed. */

import { make, shown } from "./element";
import { drawMap, markRow, rowAt } from "./heatmap";
import { Matrix, largest } from "./matrix";
import { drawLines } from "./lines";
import { Palette, lineColour } from "./palette";
import { section } from "./section";
import { type Aspect, type Store, type View, touches } from "./store";
import { type Strip, TimePane } from "./timepane";

const TOGETHER = 6; // more channels than these are drawn as colours, and the chosen one as a line
const HIGHEST = 176; // pixels of the colours

export class Signal implements View {
  readonly element: HTMLElement;
  private readonly pane: TimePane;
  private readonly map: Strip | null;
  private readonly lines: Strip;
  private readonly value = make("input", {
    type: "number",
    step: "any",
    "aria-label": "The value at the cursor",
  });
  private readonly channel = make("select", { "aria-label": "Which channel" });
  private readonly legend = make("div", { class: "legend" });
  private readonly names: string[];
  /** The channels from top to bottom. */
  private readonly rows: number[];

  constructor(private readonly store: Store) {
    const layer = store.document.layers[0];
    const numbers = store.originalInput.numbers!;
    this.names =
      layer.kind === "numbers"
        ? layer.names
        : Array.from({ length: numbers.columns }, (_, k) => `x${k}`);
    this.rows = this.names.map((_, k) => k);
    if (this.isMusic) this.rows.reverse(); // high keys on top, as in a score
    this.pane = new TimePane(store, (strip, _, y, pressed) => {
      if (pressed && strip === this.map) this.choose(rowAt(strip, this.rows, y));
    });
    this.map = this.names.length > TOGETHER ? this.addMap() : null;
    const label = make("div", {}, make("b", {}, "input"), make("small", {}, ""));
    this.lines = this.pane.add(label, this.map ? 64 : 140, "The input over time, as lines");
    this.channel.append(...this.names.map((name, k) => make("option", { value: k }, name)));
    if (this.map)
      this.channel.value = String(
        largest(
          numbers.row(numbers.rows - 1).map((value) => value || 0),
          1,
        )[0],
      );
    this.channel.addEventListener("change", () => this.draw());
    this.element = section(
      "reading",
      "What it reads",
      this.lead(),
      this.pane.element,
      this.legend,
      this.form(),
    );
  }

  private get isMusic(): boolean {
    return this.store.document.output.kind === "keys";
  }

  private lead(): string {
    if (this.isMusic)
      return "Each column is a step of the piece, each row a key, high ones on top; held keys are coloured. Choose a place to look at that step; press or release a key there (1 is held, 0 is not), and everything on this page follows.";
    return this.map
      ? `Each column is a step, each row one of ${this.names.length} channels. Choose a place to look at it; change a number and everything on this page follows.`
      : "Each step is one row of numbers. Point at a step to look at it; change a number and everything on this page follows.";
  }

  private addMap(): Strip {
    const height = Math.max(64, Math.min(HIGHEST, this.names.length * 2));
    const label = make(
      "div",
      {},
      make("b", {}, this.isMusic ? "keys" : "channels"),
      make("small", {}, `${this.names.length} of them`),
      make("span", { class: "scale" }),
    );
    return this.pane.add(label, height, `${this.names.length} channels of the input over time`);
  }

  private form(): HTMLElement {
    return make(
      "form",
      { class: "row", onsubmit: (event: Event) => this.put(event) },
      make("label", {}, "Change ", this.channel, " at the cursor to ", this.value),
      make("button", { type: "submit", class: "primary" }, "Apply"),
    );
  }

  update(aspects: Set<Aspect>): void {
    if (touches(aspects, "run", "size", "window", "cursor")) this.draw();
  }

  private get chosen(): number {
    return Number(this.channel.value || 0);
  }

  private choose(channel: number): void {
    this.channel.value = String(channel);
    this.draw();
  }

  private draw(): void {
    const { store, pane } = this;
    const now = store.run.input.numbers!;
    const before = store.comparable ? store.original.input.numbers! : null;
    const channels = this.map ? [this.chosen] : this.rows;
    const colour = (k: number) => lineColour(this.map ? 0 : k);
    const line = (matrix: Matrix, k: number, ghost: boolean) => ({
      value: (t: number) => matrix.at(t, k),
      colour: colour(k),
      ghost,
    });
    pane.drawAxis();
    if (this.map) {
      drawMap(pane, this.map, store, now, this.rows, this.palette(now));
      markRow(this.map, this.rows.indexOf(this.chosen), this.rows.length);
      this.lines.label.querySelector("small")!.textContent = this.names[this.chosen];
    }
    drawLines(pane, this.lines, store, [
      ...(before ? channels.map((k) => line(before, k, true)) : []),
      ...channels.map((k) => line(now, k, false)),
    ]);
    pane.placeCursor();
    this.legend.replaceChildren(
      ...channels.map((k) =>
        make(
          "span",
          {},
          make("i", { style: `background:${colour(k)}` }),
          `${this.names[k]} ${shown(now.at(store.cursor, k))}`,
        ),
      ),
    );
    this.value.value = String(Number(now.at(store.cursor, this.chosen).toPrecision(6)));
  }

  private palette(values: Matrix): Palette {
    if (this.isMusic) return new Palette(0, 1, "gate");
    const most = Math.max(1e-6, values.extent);
    return new Palette(-most, most, "signed");
  }

  private put(event: Event): void {
    event.preventDefault();
    const value = this.value.valueAsNumber;
    if (!Number.isFinite(value)) return;
    const changed = this.store.run.input.numbers!.copy();
    changed.row(this.store.cursor)[this.chosen] = value;
    void this.store.read({ tokens: null, numbers: changed });
  }
}
