/** The tour of a cell that keeps a memory by a gate: how it carries a clue to the answer. */

import { capital, measured, percent, portion, shown } from "./element";
import { Guide, type Stop } from "./guide";
import { hold } from "./whatif";

export class MemoryTour extends Guide {
  stops(): Stop[] {
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

  private get state(): string {
    return this.store.memory!;
  }

  private forgetting(): Stop {
    return {
      section: "whatif",
      title: "Why a plain RNN forgets",
      enter: async () => {
        await this.home();
        const { store } = this;
        const [before, number] = [this.answer(), this.number()];
        const [{ gate, keeps }] = store.cell.forgetGates;
        const then = this.reach();
        await store.change([hold(store, gate, keeps ? 0 : 1)]);
        await store.settled();
        store.flush();
        const after = before ? store.prediction(store.T - 1)[before.index] : null;
        return (
          "A plain RNN computes its whole state anew at each step: what is old must pass through weights and a squashing function every time, and fades. " +
          `Here the memory is switched off the same way, by holding ${gate} at ${keeps ? 0 : 1}. ` +
          (before ? `${before.label} ${this.went(before.share, after!)}. ` : "") +
          (number === null
            ? ""
            : `What it says for ${store.scoreLabel(store.asked)} goes from ${measured(number)} to ${measured(this.number()!)}. `) +
          (before ? this.lesson(after! / before.share) : "") +
          (store.network.head.readsEveryStep
            ? ""
            : `The gradient that arrives at the first step ${this.went(then, this.reach(), portion)} of what it is here. `) +
          "(A network trained without a memory would do somewhat better; the command gatewise demo races them fairly.)"
        );
      },
    };
  }

  /** What it means that an answer's share has become so many times what it was. */
  private lesson(times: number): string {
    if (times > 1.1) return "So what the memory held spoke against this answer. ";
    return times > 0.9
      ? "So this answer needs little memory: what decides it stands close by. "
      : "";
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
          `In unit ${store.unit} it ${
            shown(least, 3) === shown(most, 3)
              ? `stays at ${shown(least, 3)}`
              : `lies between ${shown(least, 3)} and ${shown(most, 3)}`
          } after ${store.named(store.source!)}` +
          (keeps && least > 0.8 ? ": it holds on to what it has. " : ". ") +
          `In its map, the more colour, the more is ${keeps ? "kept" : "replaced"}.`
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
        const way = store.network.head.readsEveryStep ? ", by way of the last output" : "";
        return (
          `The ledger takes the memory apart by the step that wrote it. ${capital(store.named(source))} wrote ${shown(written, 3)} into unit ${store.unit}, ` +
          `and ${percent(ledger.survival.at(source, store.unit))} of that is still there ${Math.abs(store.cursor - source)} steps later` +
          (answer
            ? `: of all but the newest entries it does most for ${answer.label}${way}.`
            : ".") +
          " Choose other bars and units to see what else is remembered."
        );
      },
    };
  }
}
