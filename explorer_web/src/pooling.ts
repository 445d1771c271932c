/** From the outputs of all steps up to one to a single vector, and the gradient back to them. */

import { type Layer, decode } from "./document";
import { Matrix, softmax } from "./matrix";
import { Linear } from "./stage";

type PoolDocument = Extract<Layer, { kind: "pool" }>;

export interface Pool {
  read(outputs: Matrix, t: number): Float32Array;
  /** From the gradient of what it read, that of the outputs of all steps. */
  backward(outputs: Matrix, t: number, gradient: Float32Array): Matrix;
}

export function poolOf(document: PoolDocument | undefined, forwardUnits: number | null): Pool {
  if (document?.mode === "mean") return new Mean();
  if (document?.mode === "max") return new Highest();
  if (document?.mode === "attention") return new Attention(document);
  return new Last(document?.mode === "ends" ? forwardUnits : null);
}

/** The output at the step; of a backward direction the one at the first, which has read all. */
class Last implements Pool {
  constructor(private readonly forwardUnits: number | null) {}

  read(outputs: Matrix, t: number): Float32Array {
    const found = outputs.row(t).slice();
    if (this.forwardUnits !== null)
      found.set(outputs.row(0).subarray(this.forwardUnits), this.forwardUnits);
    return found;
  }

  backward(outputs: Matrix, t: number, gradient: Float32Array): Matrix {
    const found = new Matrix(outputs.rows, outputs.columns);
    gradient.forEach((value, k) => {
      const backwards = this.forwardUnits !== null && k >= this.forwardUnits;
      found.row(backwards ? 0 : t)[k] = value;
    });
    return found;
  }
}

class Mean implements Pool {
  read(outputs: Matrix, t: number): Float32Array {
    const sum = new Float64Array(outputs.columns);
    for (let s = 0; s <= t; s++) outputs.row(s).forEach((value, k) => (sum[k] += value));
    return Float32Array.from(sum, (value) => value / (t + 1));
  }

  backward(outputs: Matrix, t: number, gradient: Float32Array): Matrix {
    const found = new Matrix(outputs.rows, outputs.columns);
    for (let s = 0; s <= t; s++)
      gradient.forEach((value, k) => (found.row(s)[k] = value / (t + 1)));
    return found;
  }
}

class Highest implements Pool {
  read(outputs: Matrix, t: number): Float32Array {
    return Float32Array.from({ length: outputs.columns }, (_, k) =>
      outputs.at(this.step(outputs, t, k), k),
    );
  }

  backward(outputs: Matrix, t: number, gradient: Float32Array): Matrix {
    const found = new Matrix(outputs.rows, outputs.columns);
    gradient.forEach((value, k) => (found.row(this.step(outputs, t, k))[k] = value));
    return found;
  }

  private step(outputs: Matrix, t: number, unit: number): number {
    let best = 0;
    for (let s = 1; s <= t; s++) if (outputs.at(s, unit) > outputs.at(best, unit)) best = s;
    return best;
  }
}

/** A mean weighted by a learned score of each step: Yang et al. (2016), equations 5 to 7. */
class Attention implements Pool {
  private readonly key: Linear;
  private readonly query: Float32Array;

  constructor(document: PoolDocument) {
    this.key = new Linear(document.key!);
    this.query = decode(document.query!);
  }

  /** How much each step counts, and what its score was made of. */
  private weigh(outputs: Matrix, t: number): { weights: Float64Array; keys: Float32Array[] } {
    const keys: Float32Array[] = [];
    const scores = new Float64Array(t + 1);
    for (let s = 0; s <= t; s++) {
      const key = this.key.forward(outputs.row(s)).map(Math.tanh);
      keys.push(key);
      scores[s] = dot(key, this.query);
    }
    return { weights: softmax(scores), keys };
  }

  read(outputs: Matrix, t: number): Float32Array {
    const { weights } = this.weigh(outputs, t);
    const sum = new Float64Array(outputs.columns);
    weights.forEach((weight, s) =>
      outputs.row(s).forEach((value, k) => (sum[k] += weight * value)),
    );
    return Float32Array.from(sum);
  }

  backward(outputs: Matrix, t: number, gradient: Float32Array): Matrix {
    const { weights, keys } = this.weigh(outputs, t);
    const found = new Matrix(outputs.rows, outputs.columns);
    const along = Float64Array.from(weights, (_, s) => dot(outputs.row(s), gradient));
    const mean = weights.reduce((sum, weight, s) => sum + weight * along[s], 0);
    weights.forEach((weight, s) => {
      const score = weight * (along[s] - mean);
      const inner = keys[s].map((key, k) => score * this.query[k] * (1 - key * key));
      const through = this.key.backward(inner);
      const row = found.row(s);
      gradient.forEach((value, k) => (row[k] = weight * value + through[k]));
    });
    return found;
  }
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}
