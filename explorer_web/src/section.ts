/** A part of the page: a heading, a sentence that tells how to read it, and its contents. */

import { make } from "./element";

export function section(
  id: string,
  title: string,
  lead: string,
  ...children: (Node | string)[]
): HTMLElement {
  return make(
    "section",
    { id, class: "card", "aria-labelledby": `${id}-title` },
    make("h2", { id: `${id}-title`, tabindex: "-1" }, title),
    make("p", { class: "lead" }, lead),
    ...children,
  );
}

/** A choice among a few, as buttons in a row. */
export function choice<T extends string>(
  label: string,
  options: [T, string][],
  chosen: () => T,
  choose: (value: T) => void,
): { element: HTMLElement; refresh: () => void } {
  const buttons = options.map(([value, text]) =>
    make("button", { type: "button", "data-value": value, onclick: () => choose(value) }, text),
  );
  const element = make(
    "div",
    { class: "choice", role: "group", "aria-label": label },
    make("span", { class: "choice-label" }, label),
    ...buttons,
  );
  const refresh = () => {
    for (const button of buttons)
      button.setAttribute("aria-pressed", String(button.dataset.value === chosen()));
  };
  refresh();
  return { element, refresh };
}
