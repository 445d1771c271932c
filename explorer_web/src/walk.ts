/** One value of one unit, worked out: the equation with its numbers, down to each multiplication. */

import { type Cell, type Expression } from "./document";
import { formula, make, shown } from "./element";
import { type Program } from "./program";

const SIGNS: Record<string, [string, number]> = {
  add: [" + ", 0],
  subtract: [" − ", 0],
  multiply: [" · ", 1],
  divide: [" / ", 1],
  less: [" < ", -1],
  less_equal: [" ≤ ", -1],
  and: [" and ", -2],
  or: [" or ", -2],
};
const SIGNS_OF_MATRICES: Record<string, string> = {
  matrix_add: " + ",
  matrix_subtract: " − ",
  matrix_product: " ",
  scale: " · ",
};
const FUNCTIONS: Record<string, string> = {
  sigmoid: "σ",
  relu: "ReLU",
  sqrt: "√",
  absolute: "abs",
  maximum: "max",
  minimum: "min",
  layer_norm: "LN",
  row_sum: "sum",
  unit_count: "dim",
  detach: "",
  where: "where",
};
const OPAQUE = new Set(["product", "layer_norm", "row_sum"]);

/** A product of a matrix's row with a vector, opened. */
export interface DotProduct {
  name: string;
  weights: Float32Array;
  vector: ArrayLike<number>;
  vectorName: string;
}

export class Walk {
  constructor(
    private readonly cell: Cell,
    private readonly program: Program,
    private readonly unit: number,
    private readonly open: (node: number) => void,
    private readonly opened: number | null,
  ) {}

  /** The value of an expression for the unit; where it was clamped, as it was computed if asked. */
  number(k: number, computed = false): number {
    const node = this.cell.nodes[k];
    const slot =
      this.program.slots[computed && node.computed !== undefined ? node.computed : node.slot];
    return slot.length === 1 ? slot[0] : slot[this.unit];
  }

  /** Equation, sum and result of a named value, line by line. */
  lines(root: number): HTMLElement[] {
    const node = this.cell.nodes[root];
    const found = [
      make("div", { class: "work" }, make("span", { class: "equals" }, "="), this.body(root, -3)),
    ];
    const argument = node.operands?.length === 1 ? node.operands[0] : null;
    if (
      argument !== null &&
      this.cell.nodes[argument].operands &&
      !OPAQUE.has(node.operation) &&
      !this.isChip(argument)
    )
      found.push(
        make(
          "div",
          { class: "work" },
          make("span", { class: "equals" }, "="),
          this.function(node, make("span", { class: "number" }, shown(this.number(argument)))),
        ),
      );
    found.push(
      make(
        "div",
        { class: "work result" },
        make("span", { class: "equals" }, "="),
        make(
          "b",
          { class: "number", "data-result": node.value ?? "" },
          shown(this.number(root, true)),
        ),
      ),
    );
    if (node.computed !== undefined && this.number(root) !== this.number(root, true))
      found.push(
        make("div", { class: "work held" }, `held at ${shown(this.number(root))} by your change`),
      );
    return found;
  }

  /** The products that a value is made of. */
  products(root: number): number[] {
    const found: number[] = [];
    const look = (k: number) => {
      const node = this.cell.nodes[k];
      if (node.operation === "product") found.push(k);
      else if (k === root || !node.value) node.operands?.forEach(look);
    };
    look(root);
    return found;
  }

  dotProduct(k: number): DotProduct {
    const [matrix, vector] = this.cell.nodes[k].operands!;
    const values = this.program.slots[this.cell.nodes[vector].slot] as Float32Array;
    const weights = this.program.slots[this.cell.nodes[matrix].slot] as Float32Array;
    const start = this.unit * values.length;
    return {
      name: this.name(k),
      vectorName: this.name(vector),
      vector: values,
      weights: weights.subarray(start, start + values.length),
    };
  }

  name(k: number): string {
    const node = this.cell.nodes[k];
    if (node.value) return `${node.value}`;
    switch (node.operation) {
      case "product":
        return `${this.name(node.operands![0])} ${this.name(node.operands![1])}`;
      case "state":
        return `${node.name}ₜ₋₁`;
      case "input":
        return `${node.name}ₜ`;
      case "parameter":
        return node.name!.replace(".", "_");
      case "constant":
        return node.name!;
      case "block_diagonal":
        return this.name(node.operands![0]);
      case "transpose":
        return `${this.name(node.operands![0])}ᵀ`;
      case "number":
        return node.name ?? shown(node.number!, 2);
    }
    const parts = (node.operands ?? []).map((operand) => this.name(operand));
    const sign = SIGNS[node.operation]?.[0] ?? SIGNS_OF_MATRICES[node.operation];
    if (sign && parts.length === 2) return `(${parts.join(sign)})`;
    if (node.operation === "negate") return `−${parts[0]}`;
    const called = FUNCTIONS[node.operation] ?? node.operation.replace("_", " ");
    return parts.length <= 2 ? `${called}(${parts.join(", ")})` : called;
  }

  private isChip(k: number): boolean {
    const node = this.cell.nodes[k];
    return !!node.value || !!node.weight || !node.operands || OPAQUE.has(node.operation);
  }

  /** An expression: a number with its name below where it is one thing, else written out. */
  private piece(k: number, level: number): Node {
    const node = this.cell.nodes[k];
    if (node.operation === "number") {
      const text = node.name ?? shown(node.number!, 4).replace(/\.?0+$/, "");
      return make("span", { class: "number" }, text);
    }
    if (this.isChip(k)) return this.chip(k, node);
    return this.body(k, level);
  }

  private chip(k: number, node: Expression): Node {
    const text =
      node.operation === "less" || node.operation === "less_equal"
        ? String(!!this.number(k))
        : shown(this.number(k));
    const parts = [
      make("span", { class: "number" }, text),
      make("small", {}, formula(this.name(k))),
    ];
    if (node.operation !== "product") return make("span", { class: "term" }, ...parts);
    return make(
      "button",
      {
        type: "button",
        class: "term product",
        "aria-expanded": this.opened === k,
        title: "Open this product: every multiplication in it",
        onclick: () => this.open(k),
      },
      ...parts,
    );
  }

  private body(k: number, level: number): Node {
    const node = this.cell.nodes[k];
    if (OPAQUE.has(node.operation) || !node.operands) return this.chip(k, node);
    const sign = SIGNS[node.operation];
    if (sign && node.operands.length === 2) {
      const [text, own] = sign;
      const tighter = node.operation === "subtract" || node.operation === "divide" ? own + 1 : own;
      const inside = make(
        "span",
        {},
        this.piece(node.operands[0], own),
        text,
        this.piece(node.operands[1], tighter),
      );
      return own < level ? make("span", {}, "(", inside, ")") : inside;
    }
    if (node.operation === "negate") return make("span", {}, "−", this.piece(node.operands[0], 2));
    if (node.operation === "not") return make("span", {}, "not ", this.piece(node.operands[0], 2));
    const parts: (Node | string)[] = [];
    node.operands.forEach((operand, at) => parts.push(at ? ", " : "", this.piece(operand, -3)));
    return this.function(node, make("span", {}, ...parts));
  }

  private function(node: Expression, inside: Node): HTMLElement {
    return make(
      "span",
      { class: "applied" },
      make("span", { class: "function" }, FUNCTIONS[node.operation] ?? node.operation),
      "(",
      inside,
      ")",
    );
  }
}
