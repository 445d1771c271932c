/** One more step of all layers, beyond the input: as a decoder takes it. */

import { type Recurrence, spread } from "./recurrence";
import { type Named } from "./program";

/** What one step of one layer was given. */
interface Given {
  x: Float32Array;
  states: Named;
}

export interface StackStep {
  output: Float32Array;
  /** Each layer's states after the step. */
  states: Named[];
  given: Given[];
}

export class Stack {
  constructor(private readonly layers: Recurrence[]) {}

  step(x: Float32Array, states: Named[]): StackStep {
    const given: Given[] = [];
    const after: Named[] = [];
    let read = x;
    for (const [k, layer] of this.layers.entries()) {
      given.push({ x: read, states: states[k] });
      const { program } = layer;
      program.step(layer.plainInputs(read), states[k], {});
      after.push(copies(program.newStates));
      read = program.output.slice();
    }
    return { output: read, states: after, given };
  }

  /** From the gradients of a step's output and states, those of what it was given. */
  backward(
    step: StackStep,
    output: Float32Array,
    flows: Named[],
  ): { x: Float32Array; flows: Named[] } {
    const before: Named[] = new Array(this.layers.length);
    let flow = output;
    for (let k = this.layers.length - 1; k >= 0; k--) {
      const { program } = this.layers[k];
      const { x, states } = step.given[k];
      program.backward(this.layers[k].plainInputs(x), states, { ...flows[k], output: flow }, {});
      before[k] = Object.fromEntries(
        Object.entries(states).map(([name, state]) => {
          const made = new Float32Array(state.length);
          const found = program.gradients.states[name];
          if (found) spread(found, made);
          return [name, made];
        }),
      );
      flow = program.gradients.inputs.x.slice();
    }
    return { x: flow, flows: before };
  }

  nothing(): Named[] {
    return this.layers.map(({ program }) =>
      Object.fromEntries(
        Object.entries(program.newStates).map(([name, state]) => [
          name,
          new Float32Array(state.length),
        ]),
      ),
    );
  }
}

function copies(named: Named): Named {
  return Object.fromEntries(Object.entries(named).map(([name, array]) => [name, array.slice()]));
}
