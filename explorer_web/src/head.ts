/** What follows the recurrent layers: pooling, then what knows nothing of time, forward and back. */

import { type Layer } from "./document";
import { Matrix } from "./matrix";
import { type Pool, poolOf } from "./pooling";
import { Adaptive } from "./adaptive";
import { Linear, Pairs, type Stage } from "./stage";

export class Head {
  private readonly stages: Stage[] = [];
  private readonly pool: Pool;

  constructor(
    layers: Layer[],
    /** Units of the forward direction, where there are two. */
    forwardUnits: number | null,
  ) {
    for (const layer of layers) {
      if (layer.kind === "linear") this.stages.push(new Linear(layer));
      if (layer.kind === "adaptive") this.stages.push(new Adaptive(layer));
      if (layer.kind === "pairs") this.stages.push(new Pairs(layer));
    }
    const pool = layers.find((layer) => layer.kind === "pool");
    this.pool = poolOf(pool, forwardUnits);
    this.readsEveryStep = ["mean", "max", "attention"].includes(pool?.mode ?? "last");
  }

  /** Whether an answer is made from the outputs of all steps, not of the last one alone. */
  readonly readsEveryStep: boolean;

  get exists(): boolean {
    return this.stages.length > 0;
  }

  /** The scores after step t: what the model says if the input ended there. */
  scores(outputs: Matrix, t: number): Float32Array {
    return this.stages.reduce((values, stage) => stage.forward(values), this.pool.read(outputs, t));
  }

  /** From the gradient of the scores after step t, that of the outputs of all steps. */
  backward(outputs: Matrix, t: number, gradient: Float32Array): Matrix {
    const given = [this.pool.read(outputs, t)];
    for (const stage of this.stages) given.push(stage.forward(given[given.length - 1]));
    const flow = this.stages.reduceRight((g, stage, k) => stage.backward(g, given[k]), gradient);
    return this.pool.backward(outputs, t, flow);
  }
}
