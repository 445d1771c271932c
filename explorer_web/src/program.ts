/** A cell's step and derivative, as the exporter wrote them from its equations. */

export type Named = Record<string, Float32Array>;

export interface Program {
  step(inputs: Named, states: Named, givens: Named): void;
  backward(inputs: Named, states: Named, cotangents: Named, givens: Named): void;
  values: Named;
  preActivations: Named;
  newStates: Named;
  /** `keep_c` and `write_c` for a state c that is updated by adding. */
  further: Named;
  output: Float32Array;
  gradients: { inputs: Named; states: Named };
  slots: (Float32Array | Uint8Array)[];
}

export type MakeProgram = (
  sizes: Record<string, number>,
  constants: Record<string, number>,
  weights: Named,
) => Program;

declare global {
  interface Window {
    gatewiseCells: Record<string, MakeProgram>;
  }
}
