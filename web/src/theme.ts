// Light and dark: what the system says, unless the reader chose. Colours of charts, which CSS cannot reach.
import { el } from "./dom";

export interface Palette {
    text: string;
    faint: string;
    grid: string;
    surface: string;
    /** Told apart by those who see no red, no green or no blue, and by their lightness; after Okabe and Ito. */
    series: string[];
    /** From few samples to most. */
    heat: string[];
}

const LIGHT: Palette = {
    text: "#1c2128",
    faint: "#59636e",
    grid: "#e6e9ed",
    surface: "#ffffff",
    series: ["#0b6bb8", "#c2410c", "#00795c", "#9b4f8f", "#b07a00", "#4a5560"],
    heat: ["#e4eff9", "#c3dcf1", "#9cc5e7", "#70aadb", "#478dcb", "#2570b4", "#115596", "#093a6c"],
};
const DARK: Palette = {
    text: "#e6e9ed",
    faint: "#9aa4af",
    grid: "#2a3038",
    surface: "#171b21",
    series: ["#5cb3f5", "#ff8a4c", "#2fc79b", "#dd8fd0", "#e9b93f", "#a3adb8"],
    heat: ["#17283a", "#18395a", "#1b4d7d", "#2367a5", "#3a86c8", "#62a8e2", "#95caf3", "#d3ebff"],
};

type Choice = "light" | "dark";
const KEY = "loadgen-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners: (() => void)[] = [];
let chosen: Choice | null = stored();
let printing = false;

function stored(): Choice | null {
    try {
        const value = localStorage.getItem(KEY);
        return value === "light" || value === "dark" ? value : null;
    } catch {
        return null; // a file without storage
    }
}

function current(): Choice {
    if (printing) return "light";
    return chosen ?? (system.matches ? "dark" : "light");
}

export function palette(): Palette {
    return current() === "dark" ? DARK : LIGHT;
}

export const isOnPaper = (): boolean => printing;

/** The colour of series number `index`. */
export function seriesColour(index: number): string {
    const { series } = palette();
    return series[index % series.length] as string;
}

/** The colour of a line, in a legend. */
export function swatch(index: number, dashed: boolean): HTMLElement {
    const element = el("span", { class: dashed ? "swatch dashed" : "swatch" });
    element.style.borderColor = seriesColour(index);
    return element;
}

/** How wide a plot is: on paper the layout comes too late to ask, and half a page is what all papers have. */
export function widthOf(plot: HTMLElement, onPaper: number): number {
    return printing ? onPaper : Math.max(plot.clientWidth, 200);
}

export function onTheme(listener: () => void): void {
    listeners.push(listener);
}

function apply(): void {
    document.documentElement.dataset["theme"] = current();
    for (const listener of listeners) listener();
}

export function themeButton(): HTMLElement {
    const label = (): string => (current() === "dark" ? "Light theme" : "Dark theme");
    const button = el("button", { type: "button", class: "quiet" }, label());
    button.addEventListener("click", () => {
        chosen = current() === "dark" ? "light" : "dark";
        try {
            localStorage.setItem(KEY, chosen);
        } catch {
            // It holds for this visit.
        }
        apply();
    });
    onTheme(() => (button.textContent = label()));
    return button;
}

export function startTheme(): void {
    system.addEventListener("change", apply);
    const print = (on: boolean) => (): void => {
        printing = on;
        apply();
    };
    addEventListener("beforeprint", print(true));
    addEventListener("afterprint", print(false));
    apply();
}
