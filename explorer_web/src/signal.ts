/** The numbers that the model reads, drawn as lines; the one at the cursor can be changed. */

import { make, shown } from "./element";
import { Matrix } from "./matrix";
import { drawLines } from "./lines";
import { lineColour } from "./palette";
import { section } from "./section";
import { type Aspect, type Store, type View, touches } from "./store";
import { type Strip, TimePane } from "./timepane";

const TOGETHER = 6; // channels drawn at once

export class Signal implements View {
  readonly element: HTMLElement;
  private readonly pane: TimePane;
  private readonly strip: Strip;
  private readonly value = make("input", {
    type: "number",
    step: "any",
    "aria-label": "The value at the cursor",
  });
  private readonly channel = make("select", { "aria-label": "Which channel" });
  private readonly legend = make("div", { class: "legend" });
  private readonly names: string[];

  constructor(private readonly store: Store) {
    const layer = store.document.layers[0];
    const columns = store.originalInput.numbers!.columns;
    this.names =
      layer.kind === "numbers" ? layer.names : Array.from({ length: columns }, (_, k) => `x${k}`);
    this.pane = new TimePane(store);
    this.strip = this.pane.add(make("b", {}, "input"), 140, "The input over time");
    this.channel.append(...this.names.map((name, k) => make("option", { value: k }, name)));
    this.channel.addEventListener("change", () => this.draw());
    const form = make(
      "form",
      { class: "row", onsubmit: (event: Event) => this.put(event) },
      make("label", {}, "Change ", this.channel, " at the cursor to ", this.value),
      make("button", { type: "submit", class: "primary" }, "Apply"),
    );
    this.element = section(
      "reading",
      "What it reads",
      "Each step is one row of numbers. Point at a step to look at it; change a number and everything on this page follows.",
      this.pane.element,
      this.legend,
      form,
    );
  }

  update(aspects: Set<Aspect>): void {
    if (touches(aspects, "run", "size", "window", "cursor")) this.draw();
  }

  private get first(): number {
    return Math.floor(Number(this.channel.value || 0) / TOGETHER) * TOGETHER;
  }

  private draw(): void {
    const { store, pane } = this;
    const now = store.run.input.numbers!;
    const before = store.comparable ? store.original.input.numbers! : null;
    const channels = this.names.map((_, k) => k).slice(this.first, this.first + TOGETHER);
    const line = (matrix: Matrix, k: number, ghost: boolean) => ({
      value: (t: number) => matrix.at(t, k),
      colour: lineColour(k - this.first),
      ghost,
    });
    pane.drawAxis();
    drawLines(pane, this.strip, store, [
      ...(before ? channels.map((k) => line(before, k, true)) : []),
      ...channels.map((k) => line(now, k, false)),
    ]);
    pane.placeCursor();
    this.legend.replaceChildren(
      ...channels.map((k) =>
        make(
          "span",
          {},
          make("i", { style: `background:${lineColour(k - this.first)}` }),
          `${this.names[k]} ${shown(now.at(store.cursor, k))}`,
        ),
      ),
      this.names.length > TOGETHER ? make("span", {}, `of ${this.names.length} channels`) : "",
    );
    this.value.value = String(now.at(store.cursor, Number(this.channel.value || 0)));
  }

  private put(event: Event): void {
    event.preventDefault();
    const value = this.value.valueAsNumber;
    if (!Number.isFinite(value)) return;
    const changed = this.store.run.input.numbers!.copy();
    changed.row(this.store.cursor)[Number(this.channel.value)] = value;
    void this.store.read({ tokens: null, numbers: changed });
  }
}
