/** What the guided tour tells: the article's story, on the reader's own input and model. */

import { type CellView } from "./cellview";
import { type Store } from "./store";
import { GradientView } from "./gradientview";
import { make, percent, shown } from "./element";
import { largest } from "./matrix";
import { hold, silence } from "./whatif";

export interface Stop {
  /** The part of the page that it shows. */
  section: string;
  title: string;
  /** Set the page up, then tell; what is told is computed here and now. */
  enter: () => Promise<string>;
}

export class Story {
  constructor(
    private readonly store: Store,
    private readonly cell: CellView,
  ) {}

  stops(): Stop[] {
    const { store } = this;
    const gated = store.cell.forgetGates.length > 0 && store.memory !== null;
    return gated ? this.gatedStops() : this.plainStops();
  }

  private gatedStops(): Stop[] {
    return [
      this.reading(),
      this.forgetting(),
      this.line(),
      this.forgetGate(),
      ...this.writing(),
      ...this.lettingOut(),
      this.carrying(),
      this.gradient(),
      this.yourTurn(),
    ];
  }

  private plainStops(): Stop[] {
    return [
      this.reading(),
      this.gatesOrNone(),
      this.oneStep(),
      this.noLedger(),
      this.gradient(),
      this.silencing(),
      this.health(),
      this.yourTurn(),
    ];
  }

  // -- where the tour stands

  /** The original model and input, at the last step, at the unit that matters most there. */
  private async home(): Promise<void> {
    const { store } = this;
    await store.reset();
    store.set("shown", "now");
    store.setCursor(store.T - 1);
    await store.settled();
    const found = store.weightiest();
    store.setUnit(found.unit);
    store.set("source", found.source);
    store.flush();
  }

  private get state(): string {
    return this.store.memory!;
  }

  private at(name: string, t: number): number {
    const { store } = this;
    return store.run.tracks[store.track].values[name].at(t, store.unit);
  }

  private answer(run = this.store.run): { label: string; share: number; index: number } | null {
    const { store } = this;
    const { kind } = store.document.output;
    if (kind === "none" || kind === "values" || !store.network.head.exists) return null;
    const scores = store.prediction(run.T - 1, run);
    const index = largest(scores, 1)[0];
    return { label: store.scoreLabel(index), share: scores[index], index };
  }

  private role(role: string): string | null {
    return (
      Object.entries(this.store.cell.roles).find(([, found]) => found.role === role)?.[0] ?? null
    );
  }

  // -- the stops

  private reading(): Stop {
    return {
      section: "reading",
      title: "One step at a time",
      enter: async () => {
        await this.home();
        const { store } = this;
        const answer = this.answer();
        const what = store.run.input.tokens ? "token" : "row of numbers";
        return (
          `The network reads one ${what} after the other. All it knows of what came before is its state: ` +
          `${store.network.tracks[store.track].size} numbers, handed from step to step. ` +
          (answer
            ? `After the last one it says ${answer.label}, with ${percent(answer.share)}. How can it know? Whatever settles that stands further back.`
            : "Whatever it says at the end must have come through these numbers.")
        );
      },
    };
  }

  private forgetting(): Stop {
    return {
      section: "whatif",
      title: "Why a plain RNN forgets",
      enter: async () => {
        await this.home();
        const { store } = this;
        const before = this.answer();
        const [{ gate, keeps }] = store.cell.forgetGates;
        const then = this.reach();
        await store.change([hold(store, gate, keeps ? 0 : 1)]);
        await store.settled();
        store.flush();
        const after = before ? store.prediction(store.T - 1)[before.index] : null;
        return (
          "A plain RNN computes its whole state anew at each step: what is old must pass through weights and a squashing function every time, and fades. " +
          `Here the memory is switched off the same way, by holding ${gate} at ${keeps ? 0 : 1}. ` +
          (before
            ? `${before.label} falls from ${percent(before.share)} to ${percent(after!)}. `
            : "") +
          `The gradient that arrives at the first step falls from ${percent(then)} to ${percent(this.reach())} of what it is here. ` +
          "(A network trained without a memory would do somewhat better; `gatewise demo` races them fairly.)"
        );
      },
    };
  }

  /** The largest share of a state's gradient that arrives at the first step. */
  private reach(): number {
    const { store } = this;
    if (!store.gradient) return NaN;
    const shares = store.cell.states.map(
      (state) => GradientView.byStep(store.gradient!, store.track, state)[0],
    );
    return Math.max(...shares);
  }

  private line(): Stop {
    return {
      section: "cell",
      title: "The memory is a line with a junction",
      enter: async () => {
        await this.home();
        this.cell.choose(this.state);
        const { store } = this;
        const run = store.run.tracks[store.track];
        const t = store.cursor;
        const [kept, past, written] = [
          run.kept[this.state].at(t, store.unit),
          run.before[this.state].at(t, store.unit),
          run.written[this.state].at(t, store.unit),
        ];
        return (
          `Follow the thick line: ${this.state} runs straight through. It is multiplied once, by what is kept, and something is added once. ` +
          `For unit ${store.unit} at this step: ${shown(kept, 3)} · ${shown(past, 3)} + ${shown(written, 3)} = ${shown(kept * past + written, 3)}. No weights, no squashing on the way: that is why it can carry a value far.`
        );
      },
    };
  }

  private forgetGate(): Stop {
    return {
      section: "gates",
      title: `The ${this.store.cell.roles[this.store.cell.forgetGates[0].gate]?.role ?? "forget gate"}`,
      enter: async () => {
        await this.home();
        const { store } = this;
        const [{ gate, keeps }] = store.cell.forgetGates;
        const from = Math.min(store.source! + 1, store.T - 1);
        const values = Array.from({ length: store.T - from }, (_, k) => this.at(gate, from + k));
        const least = Math.min(...values);
        const most = Math.max(...values);
        return (
          `${gate} decides, unit by unit and step by step, the share of ${this.state} that ${keeps ? "stays: 1 keeps all, 0 wipes it" : "is replaced: 0 keeps all, 1 replaces it"}. ` +
          `In unit ${store.unit} it lies between ${shown(least, 2)} and ${shown(most, 2)} after ${store.named(store.source!)}` +
          (keeps && least > 0.8 ? ": it holds on to what it has. " : ". ") +
          "In its map, bright and dark rows are units that forget and units that keep."
        );
      },
    };
  }

  private writing(): Stop[] {
    const gate = this.role("input gate");
    const candidate = this.role("candidate");
    if (!candidate) return [];
    return [
      {
        section: "cell",
        title: gate ? "Input gate and candidate" : "What is written",
        enter: async () => {
          await this.home();
          const { store } = this;
          const source = store.source!;
          store.setCursor(source);
          await store.settled();
          this.cell.choose(gate ?? candidate);
          store.flush();
          const written = store.run.tracks[store.track].written[this.state].at(source, store.unit);
          return (
            `Back at ${store.named(source)}. The candidate ${candidate} says what could be written: ${shown(this.at(candidate, source), 3)} for unit ${store.unit}. ` +
            (gate
              ? `The input gate ${gate} says how much of it: ${shown(this.at(gate, source), 3)}. `
              : "") +
            `So ${shown(written, 3)} is added to the memory. Open a product below: each multiplication that led there is in it.`
          );
        },
      },
    ];
  }

  private lettingOut(): Stop[] {
    const gate = this.role("output gate");
    const output = this.store.cell.output;
    if (!gate || !output) return [];
    return [
      {
        section: "cell",
        title: "The output gate",
        enter: async () => {
          await this.home();
          const { store } = this;
          this.cell.choose(output);
          const t = store.cursor;
          return (
            `A memory need not be shown all the time. The output gate ${gate} of unit ${store.unit} stands at ${shown(this.at(gate, t), 3)} here, ` +
            `so ${output} = ${shown(this.at(output, t), 3)}, while the memory itself is ${shown(this.at(this.state, t), 3)}. What is let out goes to the answer and to the next step's gates.`
          );
        },
      },
    ];
  }

  private carrying(): Stop {
    return {
      section: "memory",
      title: "How the memory carries it here",
      enter: async () => {
        await this.home();
        const { store } = this;
        const ledger = store.ledger()!;
        const source = store.source!;
        const written = store.run.tracks[store.track].written[this.state].at(source, store.unit);
        const answer = this.answer();
        return (
          `The ledger takes the memory apart by the step that wrote it. ${store.named(source)} wrote ${shown(written, 3)} into unit ${store.unit}, ` +
          `and ${percent(ledger.survival.at(source, store.unit))} of that is still there ${Math.abs(store.cursor - source)} steps later` +
          (answer ? `: of all entries it does most for ${answer.label}.` : ".") +
          " Choose other bars and units to see what else is remembered."
        );
      },
    };
  }

  private gradient(): Stop {
    const title = this.store.memory ? "Why it could be learned" : "Why it is hard to learn";
    return {
      section: "gradient",
      title,
      enter: async () => {
        await this.home();
        const { store } = this;
        const reach = this.reach();
        const steps = store.cursor;
        return (
          `A mistake at the last step must find its way back to where the clue was read. ${percent(reach)} of the gradient arrives ${steps} step${steps === 1 ? "" : "s"} earlier. ` +
          (store.memory && reach > 0.01
            ? "The way that carries the memory forward is open backwards too, so what was written there can be learned."
            : "At every step backwards it is multiplied by the weights and by the slope of a squashing function, so it shrinks from step to step: what lies too far back is hard to learn.")
        );
      },
    };
  }

  private gatesOrNone(): Stop {
    return {
      section: "gates",
      title: "What the state looks like",
      enter: async () => {
        await this.home();
        const { cell } = this.store;
        const { sigmoids } = cell;
        return (
          (sigmoids.length
            ? `This cell has ${sigmoids.length === 1 ? "one gate" : `${sigmoids.length} gates`}, ${sigmoids.join(", ")}, but none that keeps its state by itself. `
            : "This cell has no gates at all. ") +
          `Each column of a map is a step, each row one of the units. Where columns change all at once, the past is being overwritten.`
        );
      },
    };
  }

  private oneStep(): Stop {
    return {
      section: "cell",
      title: "The whole state, anew at each step",
      enter: async () => {
        await this.home();
        const { store } = this;
        const name = store.cell.output ?? store.cell.values[0];
        this.cell.choose(name);
        return (
          `Unit ${store.unit}: the input and the whole last state are multiplied with weights, summed, and squashed to ${shown(this.at(name, store.cursor), 3)}. ` +
          "Whatever the state held must survive this at every step. Open a product to see each multiplication."
        );
      },
    };
  }

  private noLedger(): Stop {
    return {
      section: "memory",
      title: "Why a plain RNN forgets",
      enter: async () => {
        await this.home();
        return this.store.memory
          ? "This cell adds to its memory, so it can be taken apart by the step that wrote it."
          : "An LSTM's memory is a sum that can be taken apart by the step that wrote it. Here nothing of an old value stays by itself, so there is nothing to take apart: what is remembered is only what the weights write again and again.";
      },
    };
  }

  private silencing(): Stop {
    return {
      section: "whatif",
      title: "What one unit does",
      enter: async () => {
        await this.home();
        const { store } = this;
        const before = this.answer();
        await store.change([silence(store)]);
        await store.settled();
        store.flush();
        const after = before ? store.prediction(store.T - 1)[before.index] : null;
        return (
          `Unit ${store.unit} is silenced: its output is held at zero at every step. ` +
          (before
            ? `${before.label} goes from ${percent(before.share)} to ${percent(after!)}. `
            : "") +
          "Dashed lines show the original in every view."
        );
      },
    };
  }

  private health(): Stop {
    return {
      section: "health",
      title: "Is it well?",
      enter: async () => {
        await this.home();
        return "Saturated gates, silent units, vanishing gradients: the report says what is unusual on this input, and what to try.";
      },
    };
  }

  private yourTurn(): Stop {
    return {
      section: "reading",
      title: "Your turn",
      enter: async () => {
        await this.home();
        const { store } = this;
        const source = store.source ?? this.nearby();
        const other = this.substitute(source);
        if (other === null)
          return "Change a number of the input, hold a gate, silence a unit: every view follows, beside the original.";
        const before = this.answer();
        const label = store.named(source);
        const tokens = [...store.run.input.tokens!];
        tokens[source] = other.token;
        await store.read({ tokens, numbers: null });
        await store.settled();
        store.setCursor(store.T - 1);
        store.flush();
        const after = this.answer();
        return (
          `In place of ${label} the network now reads “${store.label(source)}”, ${other.why}. ` +
          (before && after
            ? before.index === after.index
              ? `It still says ${after.label}, with ${percent(after.share)} instead of ${percent(before.share)}. `
              : `It says ${after.label} (${percent(after.share)}) instead of ${before.label}. `
            : "") +
          "Now you: double-click any token, hold a gate, silence a unit. Every view follows."
        );
      },
    };
  }

  /** The token that matters most to the answer: gradient times input. */
  private nearby(): number {
    const { store } = this;
    const { gradient } = store;
    if (!gradient) return 0;
    const steps = Float64Array.from({ length: store.T }, (_, t) =>
      Math.abs(
        gradient.tracks[0].input
          .row(t)
          .reduce((sum, g, k) => sum + g * store.run.read[0].at(t, k), 0),
      ),
    );
    return largest(steps.subarray(0, Math.max(1, store.T - 1)), 1)[0];
  }

  /** Another token that could stand there: expected there by the model, or else like this one. */
  private substitute(t: number): { token: number; why: string } | null {
    const { store } = this;
    const token = store.run.input.tokens?.[t];
    if (token === undefined) return null;
    if (store.document.output.kind === "next" && t > 0) {
      const expected = largest(store.prediction(t - 1), 2).find((k) => k !== token);
      return expected === undefined
        ? null
        : { token: expected, why: "which it would rather have expected there" };
    }
    const nearest = store.network.nearestToken(token);
    return nearest === null
      ? null
      : { token: nearest, why: "the token that it holds for the most similar" };
  }
}

/** The tour's card. */
export class Tour {
  readonly element: HTMLElement;
  private stops: Stop[] = [];
  private place = 0;
  private readonly title = make("h2", { id: "tour-title", tabindex: "-1" });
  private readonly body = make("p", { "aria-live": "polite" });
  private readonly count = make("span", { class: "small" });
  private readonly back = make(
    "button",
    { type: "button", onclick: () => void this.go(this.place - 1) },
    "Back",
  );
  private readonly next = make(
    "button",
    { type: "button", class: "primary", onclick: () => void this.go(this.place + 1) },
    "Next",
  );

  constructor(
    private readonly story: Story,
    private readonly leave: () => void,
  ) {
    this.element = make(
      "div",
      { class: "tour", role: "dialog", "aria-labelledby": "tour-title", hidden: true },
      make(
        "div",
        { class: "tour-head" },
        this.count,
        make(
          "button",
          {
            type: "button",
            class: "close",
            "aria-label": "End the tour",
            onclick: () => this.end(),
          },
          "×",
        ),
      ),
      this.title,
      this.body,
      make("div", { class: "row" }, this.back, this.next),
    );
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  async begin(): Promise<void> {
    this.stops = this.story.stops();
    this.element.hidden = false;
    document.body.classList.add("touring");
    await this.go(0);
  }

  end(): void {
    this.element.hidden = true;
    document.body.classList.remove("touring");
    for (const each of document.querySelectorAll(".toured")) each.classList.remove("toured");
    this.leave();
  }

  async go(place: number): Promise<void> {
    if (place >= this.stops.length) return this.end();
    this.place = Math.max(0, place);
    const stop = this.stops[this.place];
    this.next.disabled = this.back.disabled = true;
    this.count.textContent = `${this.place + 1} of ${this.stops.length}`;
    this.title.textContent = stop.title;
    this.body.textContent = "…";
    this.body.textContent = await stop.enter();
    this.back.disabled = this.place === 0;
    this.next.disabled = false;
    this.next.textContent = this.place === this.stops.length - 1 ? "Done" : "Next";
    for (const each of document.querySelectorAll(".toured")) each.classList.remove("toured");
    const shownSection = document.getElementById(stop.section)!;
    shownSection.classList.add("toured");
    shownSection.scrollIntoView({ block: "start", behavior: "auto" });
    this.title.focus({ preventScroll: true });
    this.element.dataset.stop = String(this.place);
  }
}
