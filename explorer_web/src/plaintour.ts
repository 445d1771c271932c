/** The tour of a cell without a gated memory: why it forgets. */

import { shown } from "./element";
import { Guide, type Stop } from "./guide";
import { silence } from "./whatif";

export class PlainTour extends Guide {
  stops(): Stop[] {
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
          (before ? `${before.label} ${this.went(before.share, after!)}. ` : "") +
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
}
