/** Text to tokens and back, as the model's own tokenizer does it. */

import { type TokenizerDocument } from "./document";

/** Python's \w and \s, which differ from JavaScript's. */
const W = "\\p{L}\\p{N}_";
const S = "\\s\\x1c-\\x1f\\x85";
const WORD = new RegExp(`<[${W}]+>|[${W}]+(?:['’.\\-][${W}]+)*|\\n|[^${W}${S}]|\\ufeff`, "gu");

export class Tokenizer {
  readonly kind: TokenizerDocument["kind"];
  readonly tokens: string[];
  private readonly unknown: number | null;
  private readonly lower: boolean;
  private readonly longest: number;
  private readonly numbers: Map<string, number>;

  constructor(document: TokenizerDocument) {
    this.kind = document.kind;
    this.lower = document.lower ?? false;
    this.longest = document.longest ?? Infinity;
    if (document.kind === "characters") {
      const known = Array.from(document.characters);
      this.unknown = document.unknown ? known.length : null;
      this.tokens = document.unknown ? [...known, "\ufffd"] : known;
    } else if (document.kind === "words") {
      this.tokens = [...document.words, "<unk>"];
      this.unknown = document.words.length;
    } else {
      this.tokens = document.tokens;
      this.unknown = null;
    }
    this.numbers = new Map(this.tokens.map((token, k) => [token, k]));
  }

  /** What a token is to the reader. */
  get noun(): string {
    return { words: "word", characters: "character", bpe: "token" }[this.kind];
  }

  /** Whether a token stands for what the model does not know. */
  isUnknown(token: number): boolean {
    return token === this.unknown;
  }

  /** Whether a text can be cut into tokens here; byte pairs are edited token by token. */
  get readsText(): boolean {
    return this.kind !== "bpe";
  }

  encode(given: string): { tokens: number[]; unknown: string[] } {
    const text = this.lower ? given.toLowerCase() : given;
    const pieces = this.kind === "characters" ? Array.from(text) : (text.match(WORD) ?? []);
    const missing = new Set<string>();
    const tokens: number[] = [];
    for (const piece of pieces) {
      const found = this.numbers.get(piece);
      if (found === undefined) missing.add(piece);
      const token = found ?? this.unknown;
      if (token !== null) tokens.push(token);
    }
    return { tokens: tokens.slice(0, this.longest), unknown: [...missing] };
  }

  find(token: string): number | undefined {
    return this.numbers.get(token);
  }
}

/** A token as it can be seen. */
export function visible(token: string): string {
  if (token === " ") return "␣";
  return token.replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/^ | $/g, "␣") || "∅";
}
