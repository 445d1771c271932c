/** What if: hold a gate, silence a unit, and see everything follow beside the original. */

import { type Change, describe } from "./change";
import { make, measured, percent, portion } from "./element";
import { largest, norm } from "./matrix";
import { section } from "./section";
import { type Aspect, type Store, type View, touches } from "./store";

export class WhatIf implements View {
  readonly element: HTMLElement;
  private readonly list = make("ul", { class: "changes" });
  private readonly result = make("div", { class: "outcome", "aria-live": "polite" });
  private readonly presets = make("div", { class: "row" });
  private readonly value = make("select", { "aria-label": "Which value" });
  private readonly units = make("select", { "aria-label": "Which units" });
  private readonly number = make("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.01",
    value: "0",
    "aria-label": "Hold at",
  });
  private readonly told = make("output", {}, "0");
  private readonly from = make("input", { type: "number", min: "0", "aria-label": "First step" });
  private readonly to = make("input", { type: "number", min: "0", "aria-label": "Last step" });

  private last = -1;

  constructor(private readonly store: Store) {
    this.number.addEventListener("input", () => (this.told.textContent = this.number.value));
    this.value.addEventListener("change", () => this.bounds());
    const form = make(
      "form",
      { class: "row clamp", onsubmit: (event: Event) => this.clamp(event) },
      make("label", {}, "Hold ", this.value),
      make("label", {}, "of ", this.units),
      make("label", { class: "slider" }, "at ", this.number, this.told),
      make("label", {}, "from step ", this.from),
      make("label", {}, "to ", this.to),
      make("button", { type: "submit", class: "primary" }, "Hold it"),
    );
    this.element = section(
      "whatif",
      "What if …",
      "Hold a gate open or shut, or silence a unit, and compare: every view shows the changed model, with the original as dashed lines and marks. Editing the input, above, adds to it. Nothing is saved.",
      this.presets,
      form,
      this.list,
      this.result,
    );
    this.refill();
    this.tell();
  }

  update(aspects: Set<Aspect>): void {
    if (touches(aspects, "track")) this.refill();
    if (touches(aspects, "unit", "track")) this.fillUnits();
    if (touches(aspects, "run")) this.fillSteps();
    if (touches(aspects, "run", "cursor", "track")) this.tell();
  }

  private refill(): void {
    const { store } = this;
    const { cell } = store;
    this.value.replaceChildren(
      ...cell.changeable.map((name) =>
        make("option", { value: name }, `${name}  ${cell.roles[name]?.role ?? ""}`),
      ),
    );
    this.fillUnits();
    this.fillSteps();
    this.bounds();
    const silent = !cell.output || !cell.changeable.includes(cell.output);
    this.presets.replaceChildren(
      ...this.suggestions().map(([text, gate, number]) =>
        make(
          "button",
          { type: "button", onclick: () => this.apply(hold(store, gate, number)) },
          text,
        ),
      ),
      make(
        "button",
        {
          type: "button",
          disabled: silent,
          onclick: () => this.apply(silence(store)),
          "data-silence": true,
        },
        "Silence the chosen unit",
      ),
    );
  }

  private fillSteps(): void {
    const last = this.store.T - 1;
    this.from.max = this.to.max = String(last);
    this.from.value ||= "0";
    const wasLast = this.to.value === "" || Number(this.to.value) === this.last;
    this.to.value = String(wasLast ? last : Math.min(last, Number(this.to.value)));
    this.last = last;
  }

  private fillUnits(): void {
    const all = this.units.value !== "one";
    this.units.replaceChildren(
      make("option", { value: "all", selected: all }, "all units"),
      make("option", { value: "one", selected: !all }, `unit ${this.store.unit}`),
    );
  }

  private bounds(): void {
    const gate = this.store.cell.sigmoids.includes(this.value.value);
    this.number.min = gate ? "0" : "-2";
    this.number.max = gate ? "1" : "2";
    this.told.textContent = this.number.value;
  }

  /** What the cell's own gates suggest: words, a gate, and the number to hold it at. */
  private suggestions(): [string, string, number][] {
    const { cell } = this.store;
    const found: [string, string, number][] = [];
    for (const { gate, keeps } of cell.forgetGates.slice(0, 1)) {
      found.push(["Forget everything", gate, keeps ? 0 : 1]);
      found.push(["Forget nothing", gate, keeps ? 1 : 0]);
    }
    for (const [name, { role }] of Object.entries(cell.roles)) {
      if (role === "input gate") found.push(["Write nothing", name, 0]);
      if (role === "reset gate") found.push(["Ignore the past", name, 0]);
      if (role === "output gate") found.push(["Let everything out", name, 1]);
    }
    const seen = new Set<string>(); // several gates of a role: the first, so that words are clear
    return found.filter(([text]) => !seen.has(text) && seen.add(text));
  }

  private clamp(event: Event): void {
    event.preventDefault();
    const { store } = this;
    const last = store.T - 1;
    const from = Math.max(0, Math.min(last, this.from.valueAsNumber || 0));
    const to = Math.max(
      from,
      Math.min(last, Number.isNaN(this.to.valueAsNumber) ? last : this.to.valueAsNumber),
    );
    this.apply({
      ...hold(store, this.value.value, this.number.valueAsNumber),
      from,
      to,
      units: this.units.value === "one" ? [store.unit] : null,
    });
  }

  private apply(change: Change): void {
    const { changes } = this.store;
    const others = changes.filter(
      (c) =>
        c.value !== change.value ||
        c.track !== change.track ||
        c.kind !== change.kind ||
        JSON.stringify(c.units) !== JSON.stringify(change.units) ||
        c.from !== change.from ||
        c.to !== change.to,
    );
    void this.store.change([...others, change]);
  }

  private tell(): void {
    const { store } = this;
    const edited = store.input !== store.originalInput;
    const items = store.changes.map((change) =>
      make(
        "li",
        {},
        (store.network.tracks.length > 1 ? `${store.network.tracks[change.track].name}: ` : "") +
          describe(change, store.T, store.labels()),
        make(
          "button",
          {
            type: "button",
            "aria-label": "Undo this change",
            onclick: () => void store.change(store.changes.filter((c) => c !== change)),
          },
          "×",
        ),
      ),
    );
    if (edited)
      items.unshift(
        make(
          "li",
          {},
          "the input is edited",
          make(
            "button",
            {
              type: "button",
              "aria-label": "Undo the edit of the input",
              onclick: () => void store.read(store.originalInput),
            },
            "×",
          ),
        ),
      );
    this.list.replaceChildren(...items);
    if (items.length)
      this.list.append(
        make(
          "li",
          { class: "plain" },
          make(
            "button",
            { type: "button", onclick: () => void store.reset() },
            "Back to the original",
          ),
        ),
      );
    this.result.replaceChildren(...this.outcome());
  }

  private outcome(): Node[] {
    const { store } = this;
    if (!store.isChanged) return [make("p", { class: "small" }, "Nothing is changed.")];
    return [make("p", { class: "says" }, this.comparison())];
  }

  /** What the changed model says, beside what the original said. */
  private comparison(): string {
    const { store } = this;
    const { kind } = store.document.output;
    const t = kind === "next" || !store.network.looksAhead ? store.cursor : store.T - 1;
    if (kind === "none" || !store.network.answers) return this.distance(store.cursor);
    const now = store.prediction(t);
    const then = store.comparable ? store.prediction(t, store.original) : null;
    if (kind === "values") {
      const k = store.asked;
      const was = then ? `; the original said ${measured(then[k])}` : "";
      return `For ${store.scoreLabel(k)} the changed model says ${measured(now[k])}${was}.`;
    }
    const first = largest(now, 1)[0];
    const at = `At ${store.named(t)} the changed model`;
    const says = `${store.said(first)} (${percent(now[first])})`;
    if (!then) return `${at} says ${says}.`;
    const was = largest(then, 1)[0];
    if (was === first)
      return `${at} still says ${says}; the original gave it ${percent(then[was])}.`;
    return `${at} says ${says}; the original said ${store.said(was)} (${percent(then[was])}), which now has ${percent(now[was])}.`;
  }

  /** How far the output of a step has moved, where nothing reads it. */
  private distance(t: number): string {
    const { store } = this;
    if (!store.comparable) return "Every view shows the changed model.";
    const [now, then] = [store.run.outputs.row(t), store.original.outputs.row(t)];
    const moved = norm(now.map((value, k) => value - then[k])) / (norm(then) || 1);
    return `The output at ${store.named(t)} has moved by ${portion(moved)} of its length.`;
  }
}

/** A clamp of all units at every step. */
export function hold(store: Store, value: string, number: number): Change {
  return {
    kind: "clamp",
    track: store.track,
    value,
    units: null,
    from: 0,
    to: store.T - 1,
    number,
  };
}

/** The chosen unit's output held at zero. */
export function silence(store: Store): Change {
  return { ...hold(store, store.cell.output!, 0), kind: "silence", units: [store.unit] };
}
