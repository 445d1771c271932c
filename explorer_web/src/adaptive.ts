/** A softmax in clusters: frequent tokens in full, rare ones behind the share of their cluster. */

import { type Layer, decode } from "./document";
import { logSoftmax } from "./matrix";
import { Linear, type Stage } from "./stage";

interface Tail {
  down: Linear;
  up: Linear;
}

export class Adaptive implements Stage {
  private readonly head: Linear;
  private readonly tails: Tail[];
  /** Each token's place by frequency. */
  private readonly ranks: Float32Array;

  constructor(layer: Extract<Layer, { kind: "adaptive" }>) {
    this.head = new Linear(layer.head);
    this.tails = layer.tails.map(({ down, up }) => ({
      down: new Linear({ weight: down }),
      up: new Linear({ weight: up }),
    }));
    this.ranks = decode(layer.ranks);
  }

  forward(values: ArrayLike<number>): Float32Array {
    const head = logSoftmax(this.head.forward(values));
    const frequent = head.length - this.tails.length;
    const ranked = new Float32Array(this.ranks.length);
    ranked.set(head.subarray(0, frequent));
    let start = frequent;
    this.tails.forEach(({ down, up }, k) => {
      const inside = logSoftmax(up.forward(down.forward(values)));
      inside.forEach((score, r) => (ranked[start + r] = head[frequent + k] + score));
      start += inside.length;
    });
    return Float32Array.from(this.ranks, (rank) => ranked[rank]);
  }

  backward(gradient: ArrayLike<number>, values: ArrayLike<number>): Float32Array {
    const ranked = new Float32Array(this.ranks.length);
    this.ranks.forEach((rank, token) => (ranked[rank] = gradient[token]));
    const scores = this.head.forward(values);
    const frequent = scores.length - this.tails.length;
    const arriving = new Float32Array(scores.length);
    arriving.set(ranked.subarray(0, frequent));
    const flows: Float32Array[] = [];
    let start = frequent;
    this.tails.forEach(({ down, up }, k) => {
      const inside = up.forward(down.forward(values));
      const part = ranked.subarray(start, start + inside.length);
      arriving[frequent + k] = part.reduce((sum, each) => sum + each, 0);
      flows.push(down.backward(up.backward(throughLogSoftmax(part, inside))));
      start += inside.length;
    });
    flows.push(this.head.backward(throughLogSoftmax(arriving, scores)));
    return flows.reduce((sum, flow) => sum.map((each, k) => each + flow[k]));
  }
}

/** From the gradient of a logarithmic softmax, that of its scores. */
function throughLogSoftmax(gradient: Float32Array, scores: Float32Array): Float32Array {
  const total = gradient.reduce((sum, each) => sum + each, 0);
  const likely = logSoftmax(scores);
  return gradient.map((each, k) => each - Math.exp(likely[k]) * total);
}
