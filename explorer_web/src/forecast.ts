/** A forecast network around its recurrent layers: segments of the past, and the decoded future. */

import { type Layer, decode } from "./document";
import { Matrix } from "./matrix";
import { type Named } from "./program";
import { type Stack, type StackStep } from "./stack";
import { Linear } from "./stage";

type Front = Extract<Layer, { kind: "segments" }>;
type Decoder = Extract<Layer, { kind: "forecast" }>;

const SMALLEST = 1e-4; // as the model: a window that varies less does not vary

interface Scale {
  centre: number;
  spread: number;
}

/** What the layers left after the past. */
export interface Encoded {
  last: Float32Array;
  states: Named[];
}

/** Where the gradient of a forecast enters the layers: the last output, and the last states. */
export interface Entry {
  output: Float32Array;
  flows: Named[];
}

export class Forecast {
  private readonly missing: Float32Array;
  private readonly embed: Linear;
  private readonly offset: Matrix;
  private readonly head: Linear;
  private readonly anchor: Linear;

  constructor(
    private readonly front: Front,
    readonly decoder: Decoder,
    private readonly stack: Stack,
  ) {
    this.missing = decode(front.missing);
    this.embed = new Linear({ weight: front.weight });
    this.offset = matrixOf(front.offset);
    this.head = new Linear(decoder.head);
    this.anchor = new Linear({ weight: decoder.anchor });
  }

  /** What the recurrent layers read of the past, a row for each segment. */
  read(past: Matrix): Matrix {
    const { centre, spread } = this.scaleOf(past.data);
    const made = new Matrix(past.rows, this.offset.columns);
    for (let t = 0; t < past.rows; t++) {
      const scaled = past.row(t).map((value) => (value - centre) / spread);
      const embedded = this.embed.forward(scaled);
      embedded.forEach((value, k) => (made.row(t)[k] = Math.max(0, value + this.offset.at(t, k))));
    }
    return made;
  }

  /** Quantiles of the future in the series' own units, a row for each step. */
  forecast(past: Matrix, encoded: Encoded): Matrix {
    const { centre, spread } = this.scaleOf(past.data);
    const { horizon, outputs, unit, shift, floor = -Infinity } = this.decoder;
    const scaled = this.decode(past, encoded).values;
    const made = new Matrix(horizon, outputs);
    for (let k = 0; k < made.data.length; k++)
      made.data[k] = Math.max(floor, (scaled[k] * spread + centre) * unit + shift);
    return made;
  }

  /** The gradient of the median forecast of a step; none where it lies at its floor. */
  differentiate(past: Matrix, encoded: Encoded, step: number): Entry {
    const { segment, outputs, decoding, unit, floor = -Infinity } = this.decoder;
    const middle = Math.floor(outputs / 2);
    const cut = this.forecast(past, encoded).at(step, middle) <= floor;
    const factor = cut ? 0 : this.scaleOf(past.data).spread * unit;
    const none = new Float32Array(encoded.last.length);
    const at = (place: number, rows: number) => {
      const gradient = new Float32Array(rows);
      gradient[place * outputs + middle] = factor;
      return this.head.backward(gradient);
    };
    if (decoding === "direct")
      return { output: at(step, this.decoder.horizon * outputs), flows: this.stack.nothing() };
    const number = Math.floor(step / segment);
    const enter = at(step % segment, segment * outputs);
    const { steps } = this.decode(past, encoded);
    if (decoding === "segments")
      return {
        output: none,
        flows: this.stack.backward(steps[number], enter, this.stack.nothing()).flows,
      };
    return this.backThroughReading(steps, number, enter);
  }

  /** A recursive forecast reads its own medians: back through each of them. */
  private backThroughReading(steps: StackStep[], number: number, enter: Float32Array): Entry {
    const { segment, outputs } = this.decoder;
    let [output, flows] = [enter, this.stack.nothing()];
    for (let k = number; k >= 1; k--) {
      const step = steps[k - 1];
      const back = this.stack.backward(step, output, flows);
      const active = back.x.map((value, j) => (step.given[0].x[j] > 0 ? value : 0));
      const medians = this.embed.backward(active);
      const gradient = new Float32Array(segment * outputs);
      medians.forEach((value, j) => (gradient[j * outputs + Math.floor(outputs / 2)] = value));
      [output, flows] = [this.head.backward(gradient), back.flows];
    }
    return { output, flows };
  }

  /** The future in scaled units, step by step and quantile by quantile, and the steps taken. */
  private decode(
    past: Matrix,
    { last, states }: Encoded,
  ): { values: Float32Array; steps: StackStep[] } {
    const { decoding, horizon, outputs, segment } = this.decoder;
    const anchor = this.anchored(past.data);
    const [parts, steps]: [Float32Array[], StackStep[]] = [[], []];
    const segments = Math.ceil(horizon / segment);
    if (decoding === "direct") {
      const ahead = this.decoder.ahead ? decode(this.decoder.ahead) : null;
      parts.push(this.head.forward(last).map((value, k) => value + (ahead ? ahead[k] : 0)));
    } else if (decoding === "segments") {
      const queries = matrixOf(this.decoder.queries!);
      for (let j = 0; j < segments; j++) {
        steps.push(this.stack.step(queries.row(j), states));
        parts.push(this.head.forward(steps[j].output));
      }
    } else {
      const following = matrixOf(this.decoder.following!);
      let [output, now] = [last, states];
      for (let j = 0; j < segments; j++) {
        const part = this.head.forward(output);
        parts.push(part);
        if (j + 1 === segments) break;
        const read = Float32Array.from(
          { length: segment },
          (_, k) => part[k * outputs + Math.floor(outputs / 2)] + anchor(j * segment + k),
        );
        const x = this.embed
          .forward(read)
          .map((value, k) => Math.max(0, value + following.at(j, k)));
        steps.push(this.stack.step(x, now));
        [output, now] = [steps[j].output, steps[j].states];
      }
    }
    const values = new Float32Array(horizon * outputs);
    let place = 0;
    for (const part of parts)
      for (const value of part) {
        if (place === values.length) break;
        values[place] = value + anchor(Math.floor(place / outputs));
        place++;
      }
    return { values, steps };
  }

  /** The forecast to begin from, in scaled units; beyond the horizon its last. */
  private anchored(past: Float32Array): (step: number) => number {
    const { centre, spread } = this.scaleOf(past);
    const found = this.anchor.forward(past.map((value) => (value - centre) / spread));
    return (step) => found[Math.min(step, found.length - 1)];
  }

  /** What is taken out of the past, as the model measures it. */
  private scaleOf(past: Float32Array): Scale {
    const { scaling } = this.front;
    const last = past[past.length - 1];
    if (scaling === "none" || scaling === "series")
      return { centre: scaling === "none" ? 0 : last, spread: 1 };
    const there = this.missing.map((value) => 1 - value);
    const count = Math.max(
      1,
      there.reduce((sum, value) => sum + value, 0),
    );
    const mean = past.reduce((sum, value, k) => sum + value * there[k], 0) / count;
    if (scaling === "mean") {
      const level = past.reduce((sum, value, k) => sum + Math.abs(value) * there[k], 0) / count;
      return { centre: 0, spread: level > SMALLEST ? level : 1 };
    }
    const squares = past.reduce((sum, value, k) => sum + ((value - mean) * there[k]) ** 2, 0);
    const deviation = Math.sqrt(squares / count);
    return {
      centre: scaling === "window" ? last : mean,
      spread: deviation > SMALLEST ? deviation : 1,
    };
  }
}

function matrixOf({
  rows,
  columns,
  data,
}: {
  rows: number;
  columns: number;
  data: string;
}): Matrix {
  return new Matrix(rows, columns, decode(data));
}
