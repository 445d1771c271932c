/** What the exporter wrote into the page: the model, its input, and what torch computed. */

export interface Expression {
  operation: string;
  operands?: number[];
  /** The name of the cell's value that it is. */
  value?: string;
  number?: number;
  /** A leaf's name: of an input, a state, a weight or a constant. */
  name?: string;
  /** Whether it is made of weights alone. */
  weight?: boolean;
  /** Where its numbers stand in a program, and where they stood before a clamp. */
  slot: number;
  computed?: number;
}

export interface Place {
  node: number;
  kind: "source" | "layer" | "function" | "operator" | "sink";
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Cell {
  name: string;
  title: string;
  paper: string;
  equations: [string, string][];
  /** The value that each equation is of, or the symbol of what several share. */
  lineNames: string[];
  states: string[];
  values: string[];
  gates: string[];
  sigmoids: string[];
  output: string | null;
  inputs: Record<string, string | number>;
  changeable: string[];
  memory: string[];
  noMemory: Record<string, string>;
  forgetGates: { gate: string; state: string; keeps: boolean; bias: boolean }[];
  roles: Record<string, { role: string; says: string }>;
  nodes: Expression[];
  roots: Record<string, number>;
  diagram: { svg: string; places: Place[] };
}

export interface TrackDocument {
  cell: string;
  reverse: boolean;
  sizes: Record<string, number>;
  constants: Record<string, number>;
  start: Record<string, string>;
  givens: Record<string, string>;
  weights: Record<string, string>;
}

export interface Weights {
  rows: number;
  columns: number;
  data: string;
}

export interface Dense {
  weight: Weights;
  bias?: string;
}

/** What each layer after the first does to what it reads. */
export interface Norm {
  weight: string;
  bias: string;
  epsilon: number;
}

export type Layer =
  | { kind: "embedding"; weight: Weights }
  | { kind: "numbers"; names: string[] }
  | { kind: "recurrent"; tracks: TrackDocument[][]; residual: boolean; norms: Norm[] }
  | {
      kind: "segments";
      scaling: "window" | "series" | "standard" | "mean" | "none";
      missing: string;
      weight: Weights;
      offset: Weights;
    }
  | {
      kind: "forecast";
      decoding: "segments" | "direct" | "recursive";
      horizon: number;
      segment: number;
      outputs: number;
      head: { weight: Weights; bias?: string };
      /** The forecast to begin from, as a matrix times the scaled past. */
      anchor: Weights;
      queries?: Weights;
      ahead?: string;
      following?: Weights;
      /** What scaled values are multiplied with, and what is added, for the series' own units. */
      unit: number;
      shift: number;
      /** What no forecast falls below, in the series' own units. */
      floor?: number;
      /** The times of the past's steps, and of the future's. */
      times: string[];
      quantiles: number[];
      best: string;
    }
  | { kind: "standardize"; mean: string; deviation: string; gaps: boolean }
  | {
      kind: "pool";
      mode: "last" | "ends" | "mean" | "max" | "attention";
      key?: { weight: Weights; bias?: string };
      query?: string;
    }
  | { kind: "linear"; weight: Weights; bias?: string }
  /** A softmax in clusters; the scores are logarithms of probabilities. */
  | { kind: "adaptive"; head: Dense; tails: { down: Weights; up: Weights }[]; ranks: string }
  /** What each output adds to the scores of those behind it, where it is so: a lower triangle. */
  | { kind: "pairs"; weight: Weights };

export type TokenizerDocument = { lower?: boolean; longest?: number } & (
  | { kind: "characters"; characters: string; unknown: boolean }
  | { kind: "words"; words: string[] }
  | { kind: "bpe"; tokens: string[] }
);

export interface Output {
  kind: "next" | "class" | "ordinal" | "keys" | "values" | "none";
  labels: string[];
}

export interface PageDocument {
  title: string;
  about: string;
  cells: Record<string, Cell>;
  layers: Layer[];
  tokenizer?: TokenizerDocument;
  input: {
    tokens?: number[];
    numbers?: Weights;
    labels?: string[];
    further?: Record<string, Weights>;
  };
  output: Output;
  /** What torch computed for the input: the top layer's last outputs and the last scores. */
  torch: { first: number; outputs: Weights; scores?: string };
}

/** Numbers from base64 of little-endian float32. */
export function decode(text: string): Float32Array {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}
