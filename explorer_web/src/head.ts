/** What follows the recurrent layers: pooling and linear layers, forward and back. */

import { type Layer, decode } from "./document";
import { Matrix } from "./matrix";

interface Stage {
  forward(values: Float32Array): Float32Array;
  /** From the gradient of what it returned, that of what it was given. */
  backward(gradient: Float32Array): Float32Array;
}

class Linear implements Stage {
  private readonly weight: Matrix;
  private readonly bias: Float32Array | null;
  constructor(layer: Extract<Layer, { kind: "linear" }>) {
    this.weight = new Matrix(layer.weight.rows, layer.weight.columns, decode(layer.weight.data));
    this.bias = layer.bias ? decode(layer.bias) : null;
  }
  forward(values: Float32Array): Float32Array {
    const { weight, bias } = this;
    const found = new Float32Array(weight.rows);
    for (let r = 0; r < weight.rows; r++) {
      let sum = bias ? bias[r] : 0;
      const row = r * weight.columns;
      for (let k = 0; k < weight.columns; k++) sum += weight.data[row + k] * values[k];
      found[r] = sum;
    }
    return found;
  }
  backward(gradient: Float32Array): Float32Array {
    const { weight } = this;
    const found = new Float64Array(weight.columns);
    for (let r = 0; r < weight.rows; r++) {
      const row = r * weight.columns;
      for (let k = 0; k < weight.columns; k++) found[k] += gradient[r] * weight.data[row + k];
    }
    return Float32Array.from(found);
  }
}

class Scale implements Stage {
  private readonly weight: Float32Array;
  private readonly bias: Float32Array;
  constructor(layer: Extract<Layer, { kind: "scale" }>) {
    this.weight = decode(layer.weight);
    this.bias = decode(layer.bias);
  }
  forward(values: Float32Array): Float32Array {
    return values.map((value, k) => value * this.weight[k] + this.bias[k]);
  }
  backward(gradient: Float32Array): Float32Array {
    return gradient.map((value, k) => value * this.weight[k]);
  }
}

type Pool = Extract<Layer, { kind: "pool" }>["mode"];

export class Head {
  private readonly stages: Stage[] = [];
  private readonly pool: Pool = "last";

  constructor(
    layers: Layer[],
    /** Units of the forward direction, where there are two. */
    private readonly forwardUnits: number | null,
  ) {
    for (const layer of layers) {
      if (layer.kind === "linear") this.stages.push(new Linear(layer));
      else if (layer.kind === "scale") this.stages.push(new Scale(layer));
      else if (layer.kind === "pool") this.pool = layer.mode;
    }
  }

  get exists(): boolean {
    return this.stages.length > 0;
  }

  /** The scores after step t: what the model says if the input ended there. */
  scores(outputs: Matrix, t: number): Float32Array {
    return this.stages.reduce((values, stage) => stage.forward(values), this.pooled(outputs, t));
  }

  /** From the gradient of the scores after step t, that of the outputs of all steps. */
  backward(outputs: Matrix, t: number, gradient: Float32Array): Matrix {
    const flow = this.stages.reduceRight((g, stage) => stage.backward(g), gradient);
    const found = new Matrix(outputs.rows, outputs.columns);
    for (let k = 0; k < outputs.columns; k++) {
      if (this.pool === "mean") for (let s = 0; s <= t; s++) found.row(s)[k] = flow[k] / (t + 1);
      else if (this.pool === "max") found.row(this.highest(outputs, t, k))[k] = flow[k];
      else found.row(this.stepRead(t, k))[k] = flow[k];
    }
    return found;
  }

  private pooled(outputs: Matrix, t: number): Float32Array {
    if (this.pool === "last") return outputs.row(t);
    const found = new Float32Array(outputs.columns);
    for (let k = 0; k < outputs.columns; k++) {
      if (this.pool === "ends") found[k] = outputs.at(this.stepRead(t, k), k);
      else if (this.pool === "max") found[k] = outputs.at(this.highest(outputs, t, k), k);
      else {
        let sum = 0;
        for (let s = 0; s <= t; s++) sum += outputs.at(s, k);
        found[k] = sum / (t + 1);
      }
    }
    return found;
  }

  /** Both ends: the backward direction has read everything at the first step. */
  private stepRead(t: number, unit: number): number {
    return this.pool === "ends" && this.forwardUnits !== null && unit >= this.forwardUnits ? 0 : t;
  }

  private highest(outputs: Matrix, t: number, unit: number): number {
    let best = 0;
    for (let s = 1; s <= t; s++) if (outputs.at(s, unit) > outputs.at(best, unit)) best = s;
    return best;
  }
}
