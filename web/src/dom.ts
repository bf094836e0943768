// Makes elements. Everything that came from outside becomes text, never markup.

type Child = Node | string | null;
type Attributes = Record<string, string | number | boolean | ((event: Event) => void) | undefined>;

export function el<K extends keyof HTMLElementTagNameMap>(
    name: K,
    attributes: Attributes = {},
    ...children: Child[]
): HTMLElementTagNameMap[K] {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (typeof value === "function") element.addEventListener(key.slice(2), value);
        else if (value === true) element.setAttribute(key, "");
        else if (value !== false && value !== undefined) element.setAttribute(key, String(value));
    }
    element.append(...children.filter((child) => child !== null));
    return element;
}

/** Set only what changed, so that nothing is laid out anew and no screen reader speaks again. */
export function setText(element: Element, text: string): void {
    if (element.textContent !== text) element.textContent = text;
}

/** The same for a list of texts, each in an element of its own. */
export function setTexts(element: Element, kind: "bdi" | "li", texts: string[]): void {
    const known = [...element.children].map((child) => child.textContent);
    if (known.length !== texts.length || texts.some((text, place) => text !== known[place])) element.replaceChildren(...texts.map((text) => el(kind, {}, text)));
}

/** A section of the page, with its heading. It hides while it is empty. */
export function section(id: string, title: string, ...children: Child[]): HTMLElement {
    const heading = el("h2", { id: `${id}-title` }, title);
    return el("section", { id, "aria-labelledby": `${id}-title` }, heading, ...children);
}

/** Names and values, side by side. */
export function pairs(rows: [string, Child][]): HTMLElement {
    const list = el("dl", { class: "pairs" });
    for (const [name, value] of rows) list.append(el("div", {}, el("dt", {}, name), el("dd", {}, value)));
    return list;
}
