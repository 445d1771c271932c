/** What every tour needs: the way home, the numbers it tells, and the stops that all share. */

import { type CellView } from "./cellview";
import { percent, portion } from "./element";
import { GradientView } from "./gradientview";
import { largest } from "./matrix";
import { type Store } from "./store";

export interface Stop {
  /** The part of the page that it shows. */
  section: string;
  title: string;
  /** Set the page up, then tell; what is told is computed here and now. */
  enter: () => Promise<string>;
}

export abstract class Guide {
  constructor(
    protected readonly store: Store,
    protected readonly cell: CellView,
  ) {}

  abstract stops(): Stop[];

  /** The original model and input, at the last step, at the unit that matters most there. */
  protected async home(): Promise<void> {
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

  /** A value at the chosen unit; one number is that of all units. */
  protected at(name: string, t: number): number {
    const { store } = this;
    const values = store.run.tracks[store.track].values[name];
    return values.at(t, values.columns === 1 ? 0 : store.unit);
  }

  protected answer(run = this.store.run): { label: string; share: number; index: number } | null {
    const { store } = this;
    const { kind } = store.document.output;
    if (kind === "none" || kind === "values" || !store.network.answers) return null;
    const scores = store.prediction(run.T - 1, run);
    const index = largest(scores, 1)[0];
    return { label: store.said(index), share: scores[index], index };
  }

  /** The number that is asked about, where the model says numbers. */
  protected number(): number | null {
    const { store } = this;
    if (store.document.output.kind !== "values" || !store.network.answers) return null;
    return store.prediction(store.T - 1)[store.asked];
  }

  protected role(role: string): string | null {
    return (
      Object.entries(this.store.cell.roles).find(([, found]) => found.role === role)?.[0] ?? null
    );
  }

  /** What the network reads at a step, one and several of them. */
  private nouns(): [string, string] {
    const { tokenizer, network, document } = this.store;
    const { segment = 0 } = network.forecast?.decoder ?? {};
    if (tokenizer) return [tokenizer.noun, `${tokenizer.noun}s`];
    if (segment)
      return segment > 1 ? [`group of ${segment} values`, "groups"] : ["value", "values"];
    return document.output.kind === "keys"
      ? ["step of the piece", "steps"]
      : ["row of numbers", "rows"];
  }

  /** The largest share of a state's gradient that arrives at the first step. */
  protected reach(): number {
    const { store } = this;
    if (!store.gradient) return NaN;
    const shares = store.cell.states.map(
      (state) => GradientView.byStep(store.gradient!, store.track, state)[0],
    );
    return Math.max(...shares);
  }

  protected reading(): Stop {
    return {
      section: "reading",
      title: "One step at a time",
      enter: async () => {
        await this.home();
        const { store } = this;
        const { network } = store;
        const answer = this.answer();
        const [one, several] = this.nouns();
        return (
          `The network reads one ${one} after the other. All it knows of what came before is its state: ` +
          `${network.tracks[store.track].size} numbers, handed from step to step. ` +
          (network.readsBothWays
            ? "Other units do the same from the end to the beginning; here you see those that read forwards. "
            : "") +
          (answer
            ? `After the last one it says ${answer.label}, with ${percent(answer.share)}. `
            : "") +
          (network.head.readsEveryStep
            ? "That answer is made from what these numbers were at all steps."
            : `Whatever it knows of earlier ${several} must have come through these numbers.`)
        );
      },
    };
  }

  protected gradient(): Stop {
    return {
      section: "gradient",
      title: "How learning finds its way back",
      enter: async () => {
        await this.home();
        const { store } = this;
        const steps = store.cursor;
        const task =
          "To learn, a mistake at the last step must find its way back to where the clue was read. ";
        if (store.network.head.readsEveryStep)
          return `${task}This model's answer is made from the outputs of all steps, so each is reached directly; the line says how much each one matters.`;
        const reach = this.reach();
        return (
          `${task}The gradient ${steps} step${steps === 1 ? "" : "s"} earlier is ${portion(reach)} of that at the end. ` +
          this.meaning(reach)
        );
      },
    };
  }

  private meaning(reach: number): string {
    if (this.store.memory && reach > 0.01)
      return "The way that carries the memory forward is open backwards too, so what was written there can be learned.";
    if (reach < 1)
      return "At every step backwards it is multiplied by the weights and by the slope of a squashing function, so it shrinks from step to step: what lies too far back is hard to learn.";
    return "At every step backwards it is multiplied by the weights. Here that does not shrink it; where it grows without end, training clips it.";
  }

  /** A number that was, and is after a change. */
  protected went(then: number, now: number, say = percent): string {
    if (say(then) === say(now)) return `stays at ${say(now)}`;
    return `${now < then ? "falls" : "rises"} from ${say(then)} to ${say(now)}`;
  }

  protected yourTurn(): Stop {
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
              ? `It still says ${after.label}, which ${this.went(before.share, after.share)}. `
              : `It says ${after.label} (${percent(after.share)}) instead of ${before.label}. `
            : "") +
          `Now you: double-click any ${store.tokenizer!.noun}, hold a gate, silence a unit. Every view follows.`
        );
      },
    };
  }

  /** The token that matters most to the answer: gradient times input. */
  protected nearby(): number {
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
  protected substitute(t: number): { token: number; why: string } | null {
    const { store } = this;
    const token = store.run.input.tokens?.[t];
    if (token === undefined) return null;
    if (store.document.output.kind === "next" && t > 0) {
      const [first, second] = largest(store.prediction(t - 1), 2);
      if (first !== token)
        return { token: first, why: "which it would rather have expected there" };
      if (second === undefined) return null;
      return { token: second, why: "which it held for the second likeliest there" };
    }
    const nearest = store.network.nearestToken(token);
    return nearest === null
      ? null
      : { token: nearest, why: "the token that it holds for the most similar" };
  }
}
