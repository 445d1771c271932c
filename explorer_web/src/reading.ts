/** The text that the model reads, token by token, with what it expects after each; to be edited. */

import { make, percent } from "./element";
import { largest } from "./matrix";
import { section } from "./section";
import { type Aspect, type Store, type View, touches } from "./store";
import { visible } from "./tokenizer";

const WITH_GUESSES = 160; // more tokens than this are shown without the guess below each
const GUESSING = 1.5e8; // so many multiplications for all guesses take a blink

export class Reading implements View {
  readonly element: HTMLElement;
  private readonly chips = make("div", {
    class: "chips",
    role: "listbox",
    "aria-label": "The input, token by token",
    tabindex: "0",
  });
  private readonly editor = make("div", { class: "editor", hidden: true });
  private readonly whole = make("textarea", {
    rows: "2",
    "aria-label": "The whole text",
    spellcheck: "false",
  });
  private readonly change = make("button", {
    type: "button",
    onclick: () => this.edit(this.store.cursor),
  });
  private readonly unknown = make("p", { class: "small unknown" });
  private readonly note = make("p", { class: "note", role: "status" });
  private readonly list = make("datalist", { id: "vocabulary" });

  constructor(private readonly store: Store) {
    const { readsText: readable, noun } = store.tokenizer!;
    const expects = store.document.output.kind === "next";
    const form = make(
      "form",
      { class: "whole", onsubmit: (event: Event) => this.readWhole(event) },
      this.whole,
      make("button", { type: "submit", class: "primary" }, "Read this"),
    );
    this.element = section(
      "reading",
      expects ? "What it reads, and what it expects next" : "What it reads",
      `Choose a ${noun} to look at that step. ` +
        (expects
          ? "Below each stands what the model expects next, in green where that comes. "
          : "") +
        `Put another ${noun} in its place, and everything on this page follows.`,
      this.chips,
      this.unknown,
      make("div", { class: "row" }, this.change),
      this.editor,
      readable
        ? make("details", { class: "rewrite" }, make("summary", {}, "Write another text"), form)
        : "",
      this.note,
      this.list,
    );
    this.chips.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.edit(store.cursor);
      }
    });
    this.editor.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.close();
    });
    const { tokens } = store.tokenizer!;
    if (tokens.length <= 20000)
      this.list.append(
        ...[...new Set(tokens)]
          .filter((t) => t.trim())
          .map((token) => make("option", { value: token })),
      );
    this.fill();
  }

  update(aspects: Set<Aspect>): void {
    if (touches(aspects, "run")) this.fill();
    else if (touches(aspects, "cursor")) this.place();
  }

  private fill(): void {
    const { store } = this;
    const work = store.T * store.tokenizer!.tokens.length * store.run.outputs.columns;
    const guesses =
      store.T <= WITH_GUESSES && work < GUESSING && store.document.output.kind === "next";
    this.chips.classList.toggle("plain", store.T > WITH_GUESSES);
    const unknown = store.run.input.tokens!.find((token) => store.tokenizer!.isUnknown(token));
    this.unknown.hidden = unknown === undefined;
    if (unknown !== undefined)
      this.unknown.textContent = `${visible(store.tokenizer!.tokens[unknown])} stands for a ${store.tokenizer!.noun} that the model does not know.`;
    this.chips.replaceChildren(...Array.from({ length: store.T }, (_, t) => this.chip(t, guesses)));
    this.whole.value = this.text();
    this.editor.hidden = true;
    this.place();
  }

  private chip(t: number, guesses: boolean): HTMLElement {
    const { store } = this;
    const label = store.label(t);
    const parts: Node[] = [make("span", { class: "token" }, label)];
    let says = `step ${t}: ${label}`;
    if (guesses) {
      const probabilities = store.prediction(t);
      const best = largest(probabilities, 1)[0];
      const next = store.run.input.tokens![t + 1];
      const right = next === best;
      parts.push(
        make(
          "span",
          {
            class: right ? "guess right" : "guess",
            style: `--share:${probabilities[best].toFixed(3)}`,
          },
          make("span", { class: "word" }, store.scoreLabel(best)),
          " ",
          make("span", { class: "share" }, percent(probabilities[best])),
        ),
      );
      says += `; then expected: ${store.scoreLabel(best)}, ${percent(probabilities[best])}`;
    }
    const original = store.original.input.tokens!;
    const edited = store.isChanged && store.run.input.tokens![t] !== original[t];
    return make(
      "button",
      {
        type: "button",
        class: edited ? "chip edited" : "chip",
        role: "option",
        id: `step-${t}`,
        "data-step": t,
        tabindex: "-1",
        "aria-label": says,
        title: `${says}. Double-click to edit.`,
        onclick: () => store.setCursor(t),
        ondblclick: () => this.edit(t),
      },
      ...parts,
    );
  }

  private place(): void {
    this.change.textContent = `Change “${this.store.label(this.store.cursor)}”`;
    for (const chip of this.chips.querySelectorAll<HTMLElement>(".chip")) {
      const chosen = Number(chip.dataset.step) === this.store.cursor;
      chip.setAttribute("aria-selected", String(chosen));
      if (chosen) this.chips.setAttribute("aria-activedescendant", chip.id);
      // a long text scrolls in its box; the page itself stays where it is
      if (chosen && this.chips.scrollHeight > this.chips.clientHeight)
        this.chips.scrollTop = chip.offsetTop - this.chips.offsetTop - this.chips.clientHeight / 2;
    }
  }

  /** Open the editor of one token. */
  edit(t: number): void {
    const { store } = this;
    store.setCursor(t);
    const token = store.tokenizer!.tokens[store.run.input.tokens![t]];
    const input = make("input", {
      type: "text",
      value: token,
      list: "vocabulary",
      "aria-label": `In place of ${visible(token)}`,
      autocomplete: "off",
    });
    const act = (how: "replace" | "insert") => () => this.put(t, input.value, how);
    this.editor.replaceChildren(
      make(
        "form",
        { onsubmit: (event: Event) => (event.preventDefault(), act("replace")()) },
        make("label", {}, `Step ${t}: `, input),
        make("button", { type: "submit", class: "primary" }, "Replace"),
        make("button", { type: "button", onclick: act("insert") }, "Insert after"),
        make(
          "button",
          { type: "button", onclick: () => this.splice(t, 1, []), disabled: store.T === 1 },
          "Delete",
        ),
        make("button", { type: "button", onclick: () => this.close() }, "Cancel"),
      ),
    );
    this.editor.hidden = false;
    input.focus();
    input.select();
  }

  private close(): void {
    this.editor.hidden = true;
    this.chips.focus({ preventScroll: true });
  }

  private put(t: number, text: string, how: "replace" | "insert"): void {
    const tokens = this.cut(text);
    if (tokens) this.splice(how === "replace" ? t : t + 1, how === "replace" ? 1 : 0, tokens);
  }

  /** The tokens of a text, or null and a note where the model cannot read it. */
  private cut(text: string): number[] | null {
    const tokenizer = this.store.tokenizer!;
    if (!tokenizer.readsText) {
      const token = tokenizer.find(text);
      this.note.textContent =
        token === undefined ? `“${text}” is no token of this model; choose one from the list.` : "";
      return token === undefined ? null : [token];
    }
    const { tokens, unknown } = tokenizer.encode(text);
    const lost = unknown.map((piece) => `“${visible(piece)}”`).join(", ");
    const lacks = unknown.length > 0 && tokenizer.kind === "characters" && !tokens.length;
    this.note.textContent = unknown.length
      ? tokenizer.kind === "words" || tokenizer.tokens[tokenizer.tokens.length - 1] === "\ufffd"
        ? `The model does not know ${lost}; it reads the token for unknown ones there.`
        : `The model's vocabulary lacks ${lost}; left out.`
      : "";
    if (!tokens.length || lacks) {
      this.note.textContent ||= "There is nothing to read in that.";
      return null;
    }
    return tokens;
  }

  private splice(start: number, count: number, tokens: number[]): void {
    const all = [...this.store.run.input.tokens!];
    all.splice(start, count, ...tokens);
    this.close();
    void this.store.read({ tokens: all, numbers: null });
  }

  private readWhole(event: Event): void {
    event.preventDefault();
    const tokens = this.cut(this.whole.value);
    if (tokens) void this.store.read({ tokens, numbers: null });
  }

  private text(): string {
    const { tokens, kind } = this.store.tokenizer!;
    const pieces = this.store.run.input.tokens!.map((token) => tokens[token]);
    return kind === "words" ? pieces.join(" ") : pieces.join("");
  }
}
