/** The present step: where it is, what the model says there, and the chosen unit's numbers. */

import { make, measured, percent, shown, symbol } from "./element";
import { largest } from "./matrix";
import { type Aspect, type Store, type View, touches } from "./store";

const LISTED = 6;

export class Inspector implements View {
  readonly element: HTMLElement;
  private readonly step = make("input", { type: "range", min: "0", "aria-label": "Step" });
  private readonly title = make("h2", { "aria-live": "polite" });
  private readonly prediction = make("div", { class: "prediction" });
  private readonly unit = make("div", { class: "unit" });

  /** A narrow screen's stepper, always at hand. */
  readonly dock: HTMLElement;
  private readonly docked = make("span");

  constructor(private readonly store: Store) {
    this.step.addEventListener("input", () => store.setCursor(this.step.valueAsNumber));
    const move = (by: number, label: string, sign: string) =>
      make(
        "button",
        { type: "button", "aria-label": label, onclick: () => store.setCursor(store.cursor + by) },
        sign,
      );
    this.element = make(
      "aside",
      { class: "card inspector", "aria-label": "The present step" },
      make(
        "div",
        { class: "stepper" },
        move(-1, "Step before", "‹"),
        this.title,
        move(1, "Next step", "›"),
      ),
      this.step,
      this.prediction,
      this.unit,
    );
    this.dock = make(
      "div",
      { class: "dock", role: "group", "aria-label": "Step through the input" },
      move(-1, "Step before", "‹"),
      this.docked,
      move(1, "Next step", "›"),
    );
    this.draw();
  }

  update(aspects: Set<Aspect>): void {
    if (touches(aspects, "run", "cursor", "unit", "track", "gradient", "asked")) this.draw();
  }

  private draw(): void {
    const { store } = this;
    this.step.max = String(store.T - 1);
    this.step.value = String(store.cursor);
    this.step.setAttribute("aria-valuetext", store.named(store.cursor));
    this.title.replaceChildren(
      make("small", {}, `step ${store.cursor} of ${store.T - 1}`),
      ...(store.run.input.tokens || store.document.input.labels
        ? [make("span", {}, store.label(store.cursor))]
        : []),
    );
    this.docked.textContent = `${store.cursor}: ${store.label(store.cursor)}`;
    this.prediction.replaceChildren(...this.predicted());
    this.unit.replaceChildren(...this.unitNumbers());
  }

  private predicted(): Node[] {
    const { store } = this;
    const { kind } = store.document.output;
    if (kind === "none" || !store.network.answers) return [];
    if (store.network.looksAhead && kind !== "next" && store.cursor < store.T - 1)
      return [
        make("h3", {}, "What it says"),
        make(
          "p",
          { class: "small" },
          store.network.forecast
            ? "The forecast starts from the end of the past. Go to the last step to see its numbers."
            : "This model reads the input from both ends: it has an answer only for the whole. Go to the last step to see it.",
        ),
      ];
    const now = store.prediction(store.cursor);
    const before = store.comparable ? store.prediction(store.cursor, store.original) : null;
    const whole = store.network.looksAhead ? "What it says" : "If the input ended here";
    const heading = {
      next: "Expected next",
      keys: "Expected next",
      class: whole,
      ordinal: whole,
      values: "What it says",
      none: "",
    }[kind];
    const chosen =
      kind === "values"
        ? Array.from({ length: Math.min(now.length, 12) }, (_, k) => k)
        : this.listed(now, before);
    const largestValue = chosen.reduce((most, k) => Math.max(most, Math.abs(now[k])), 1e-9);
    const follows = (k: number) => store.follows(k);
    return [
      make("h3", {}, heading),
      ...chosen.map((k) => {
        const width = (value: number) =>
          kind === "values" ? Math.min(1, Math.abs(value) / largestValue) : value;
        const text = (value: number) => (kind === "values" ? measured(value) : percent(value));
        return make(
          "div",
          {
            class: follows(k) ? "bar actual" : "bar",
            title: follows(k) ? "what really comes next" : "",
          },
          make("span", { class: "bar-label" }, store.scoreLabel(k)),
          make(
            "span",
            { class: "bar-track" },
            make("span", {
              class: "bar-fill",
              style: `width:${(width(now[k]) * 100).toFixed(2)}%`,
            }),
            before
              ? make("span", {
                  class: "bar-ghost",
                  style: `left:${(width(before[k]) * 100).toFixed(2)}%`,
                  title: `before: ${text(before[k])}`,
                })
              : null,
          ),
          make("span", { class: "bar-value", "data-score": k }, text(now[k])),
        );
      }),
      ...(before
        ? [make("p", { class: "small" }, "The mark shows the original model and input.")]
        : []),
    ];
  }

  /** The likeliest now, the likeliest before, and what really comes. */
  private listed(now: ArrayLike<number>, before: ArrayLike<number> | null): number[] {
    const { tokens } = this.store.run.input;
    const next =
      tokens && this.store.document.output.kind === "next"
        ? tokens[this.store.cursor + 1]
        : undefined;
    const found = new Set(largest(now, LISTED));
    if (before) found.add(largest(before, 1)[0]);
    if (next !== undefined) found.add(next);
    return [...found];
  }

  private unitNumbers(): Node[] {
    const { store } = this;
    const { cell, unit, cursor } = store;
    const run = store.run.tracks[store.track];
    const size = store.network.tracks[store.track].size;
    const pick = make("input", {
      type: "number",
      min: 0,
      max: size - 1,
      value: unit,
      "aria-label": "Unit",
    });
    pick.addEventListener("change", () => store.setUnit(Math.round(pick.valueAsNumber) || 0));
    const rows = cell.values
      .filter((name) => run.values[name].columns > unit)
      .map((name) => {
        const value = run.values[name].at(cursor, unit);
        const gate = cell.sigmoids.includes(name);
        const share = gate ? value : Math.min(1, Math.abs(value) / 2);
        return make(
          "div",
          { class: gate ? "gauge gate" : "gauge signed", title: cell.roles[name]?.says ?? "" },
          symbol(name),
          make("small", {}, cell.roles[name]?.role ?? ""),
          make(
            "span",
            { class: value < 0 ? "gauge-bar negative" : "gauge-bar" },
            make("span", { style: `width:${(share * 100).toFixed(1)}%` }),
          ),
          make("span", { class: "gauge-value", "data-value": name }, shown(value)),
        );
      });
    const before = cell.states
      .filter((name) => run.before[name].columns > unit)
      .map((name) =>
        make("span", {}, symbol(name, "t−1"), ` ${shown(run.before[name].at(cursor, unit))}`),
      );
    return [
      make("h3", {}, "Unit ", pick, ` of ${size}`),
      make("p", { class: "small before" }, "before: ", ...before),
      ...rows,
    ];
  }
}
