/** Units × time, one map for each gate and state, and the lines of the chosen unit. */

import { make, shown, symbol } from "./element";
import { drawMap, markRow, rowAt } from "./heatmap";
import { drawLines } from "./lines";
import { type Matrix } from "./matrix";
import { Palette, lineColour } from "./palette";
import { choice, section } from "./section";
import { orderOf } from "./sorting";
import { type Aspect, type Shown, type Sort, type Store, type View, touches } from "./store";
import { type Strip, TimePane } from "./timepane";

export class Maps implements View {
  readonly element: HTMLElement;
  private readonly pane: TimePane;
  private maps = new Map<string, Strip>();
  private lines!: Strip;
  private order: number[] = [];
  private readonly legend = make("div", { class: "legend" });
  private readonly tooltip = make("div", { class: "tooltip", hidden: true, role: "status" });
  private readonly sort;
  private readonly shown;
  private readonly tracks;

  constructor(private readonly store: Store) {
    this.pane = new TimePane(store, (strip, t, y, pressed) => this.point(strip, t, y, pressed));
    this.sort = choice<Sort>(
      "Sort units by",
      [
        ["contribution", "contribution"],
        ["timescale", "timescale"],
        ["cluster", "likeness"],
        ["number", "number"],
      ],
      () => store.sort,
      (value) => store.set("sort", value),
    );
    this.shown = choice<Shown>(
      "Show",
      [
        ["now", "changed"],
        ["original", "original"],
        ["difference", "difference"],
      ],
      () => store.shown,
      (value) => store.set("shown", value),
    );
    this.tracks = choice<string>(
      "Layer",
      store.network.tracks.map((track, k) => [String(k), track.name]),
      () => String(store.track),
      (value) => store.set("track", Number(value)),
    );
    this.tracks.element.hidden = store.network.tracks.length < 2;
    const zoom = make(
      "div",
      { class: "choice", role: "group", "aria-label": "Zoom" },
      make(
        "button",
        {
          type: "button",
          "aria-label": "Show fewer steps",
          onclick: () => store.zoom((store.to - store.from) / 2),
        },
        "+",
      ),
      make(
        "button",
        {
          type: "button",
          "aria-label": "Show more steps",
          onclick: () => store.zoom((store.to - store.from) * 2),
        },
        "−",
      ),
      make("button", { type: "button", onclick: () => store.zoom(store.T) }, "all steps"),
    );
    this.element = section(
      "gates",
      "Every gate and state, over time",
      "A column is a step, a row is a unit, a colour is its value. Point at any place to read it; click to choose its step and unit.",
      make(
        "div",
        { class: "toolbar" },
        this.tracks.element,
        this.sort.element,
        this.shown.element,
        zoom,
      ),
      this.pane.element,
      this.legend,
      this.tooltip,
    );
    this.pane.element.addEventListener("pointerleave", () => (this.tooltip.hidden = true));
    this.build();
  }

  private build(): void {
    for (const strip of this.maps.values()) this.pane.remove(strip);
    if (this.lines) this.pane.remove(this.lines);
    const { cell } = this.store;
    const rows = this.store.network.tracks[this.store.track].size;
    const height = Math.max(56, Math.min(128, Math.round(rows * 1.5)));
    this.maps = new Map();
    for (const name of cell.values) {
      const role = cell.roles[name];
      const label = make(
        "div",
        { title: role?.says ?? "" },
        symbol(name),
        make("small", {}, role?.role ?? ""),
        make("span", { class: "scale" }),
      );
      this.maps.set(
        name,
        this.pane.add(label, height, `${name}, ${role?.role ?? "value"}: ${rows} units over time`),
      );
    }
    this.lines = this.pane.add(
      make("div", { class: "unit-name" }),
      120,
      "The chosen unit's values over time",
    );
  }

  update(aspects: Set<Aspect>): void {
    if (touches(aspects, "track")) this.build();
    const sorted =
      touches(aspects, "run", "track", "sort") ||
      (this.store.sort === "contribution" && touches(aspects, "gradient"));
    if (sorted) this.order = orderOf(this.store);
    if (sorted || touches(aspects, "shown", "window", "size")) {
      this.pane.drawAxis();
      for (const [name, strip] of this.maps) this.drawMap(name, strip);
    } else if (touches(aspects, "cursor")) this.pane.drawAxis();
    if (sorted || touches(aspects, "shown", "window", "size", "unit", "cursor")) this.drawUnit();
    this.pane.placeCursor();
    for (const control of [this.sort, this.shown, this.tracks]) control.refresh();
    this.shown.element.hidden = !this.store.isChanged;
  }

  private palette(name: string, values: Matrix): Palette {
    const gate = this.store.cell.sigmoids.includes(name);
    if (gate && this.store.shown !== "difference") return new Palette(0, 1, "gate");
    let most = Math.max(1e-6, values.extent);
    const bounded = this.store.cell.gates.includes(name) && this.store.shown !== "difference";
    most = bounded && most <= 1 ? 1 : most;
    return new Palette(-most, most, "signed");
  }

  private drawMap(name: string, strip: Strip): void {
    const { store, pane } = this;
    const values = store.series(name);
    const palette = this.palette(name, values);
    drawMap(pane, strip, store, values, this.rowsOf(values), palette);
  }

  /** The reader's order of the units; values of another size are in their own. */
  private rowsOf(values: Matrix): number[] {
    return this.order.length === values.columns
      ? this.order
      : Array.from({ length: values.columns }, (_, k) => k);
  }

  private drawUnit(): void {
    const { store, pane, lines } = this;
    const { unit, cell } = store;
    const names = cell.values.filter((name) => store.series(name).columns > unit);
    drawLines(pane, lines, store, [
      ...(store.comparable && store.shown === "now"
        ? names.map((name) => ({
            value: (t: number) => store.series(name, "original").at(t, unit),
            colour: "",
            ghost: true,
          }))
        : []),
      ...names.map((name) => ({
        value: (t: number) => store.series(name).at(t, unit),
        colour: lineColour(cell.values.indexOf(name)),
      })),
    ]);
    lines.label
      .querySelector(".unit-name")!
      .replaceChildren(make("b", {}, `unit ${unit}`), make("small", {}, "all its values"));
    this.legend.replaceChildren(
      ...names.map((name) =>
        make(
          "span",
          {},
          make("i", { style: `background:${lineColour(cell.values.indexOf(name))}` }),
          symbol(name),
          ` ${shown(store.series(name).at(store.cursor, unit))}`,
        ),
      ),
    );
    for (const [name, strip] of this.maps) {
      const rows = this.rowsOf(store.series(name));
      markRow(strip, rows.indexOf(unit), rows.length);
    }
  }

  private point(strip: Strip, t: number, y: number, pressed: boolean): void {
    const name = [...this.maps].find(([, each]) => each === strip)?.[0];
    if (!name) return;
    const values = this.store.series(name);
    const unit = rowAt(strip, this.rowsOf(values), y);
    if (pressed) this.store.setUnit(unit);
    this.tooltip.hidden = false;
    this.tooltip.textContent = `${name}, unit ${unit}, ${this.store.named(t)}: ${shown(values.at(t, unit))}`;
  }
}
