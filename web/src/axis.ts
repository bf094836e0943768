// The one time axis of all charts: what part of the run they show, and where the reader points.
import type uPlot from "uplot";
import { el } from "./dom";
import { clock } from "./format";

const KEY = "run";
/** Nobody sees more in less. */
const SHORTEST_S = 2;

export class Axis {
    private charts = new Set<uPlot>();
    private zoom: [number, number] | null = null;
    private end = 1;
    private listeners: (() => void)[] = [];

    readonly sync = { key: KEY, scales: ["x", null] as [string, null] };

    add(chart: uPlot): void {
        this.charts.add(chart);
    }

    remove(chart: uPlot): void {
        this.charts.delete(chart);
    }

    onZoom(listener: () => void): void {
        this.listeners.push(listener);
    }

    /** The run has become this long. */
    grow(end: number): void {
        this.end = Math.max(end, 1);
    }

    get range(): [number, number] {
        return this.zoom ?? [0, this.end];
    }

    get zoomed(): boolean {
        return this.zoom !== null;
    }

    show(from: number, to: number): void {
        const length = Math.min(Math.max(to - from, SHORTEST_S), this.end);
        const start = Math.min(Math.max(0, from), this.end - length);
        this.zoom = length >= this.end ? null : [start, start + length];
        this.apply();
    }

    reset(): void {
        this.zoom = null;
        this.apply();
    }

    /** Nearer (below 1) or farther, around a point. */
    scale(factor: number, around?: number): void {
        const [from, to] = this.range;
        const middle = around ?? (from + to) / 2;
        this.show(middle - (middle - from) * factor, middle + (to - middle) * factor);
    }

    /** Aside, by a part of what is shown. */
    move(part: number): void {
        const [from, to] = this.range;
        const shift = (to - from) * part;
        if (from + shift >= 0 && to + shift <= this.end) this.show(from + shift, to + shift);
        else if (shift < 0) this.show(0, to - from);
        else this.show(this.end - (to - from), this.end);
    }

    /** Point at a time, in all charts. */
    point(time: number): void {
        for (const chart of this.charts) chart.setCursor({ left: chart.valToPos(time, "x"), top: 10 });
    }

    private apply(): void {
        for (const listener of this.listeners) listener();
    }
}

/** Buttons for what a mouse does by dragging. */
export function axisButtons(axis: Axis): HTMLElement {
    const button = (text: string, name: string, act: () => void): HTMLButtonElement =>
        el("button", { type: "button", class: "quiet", "aria-label": name, title: name, onclick: act }, text);
    const reset = button("Whole run", "Show the whole run", () => axis.reset());
    const shown = el("span", { class: "range", role: "status" });
    axis.onZoom(() => {
        const [from, to] = axis.range;
        shown.textContent = axis.zoomed ? `${clock(from)} to ${clock(to)}` : "";
        reset.disabled = !axis.zoomed;
    });
    reset.disabled = true;
    return el(
        "div",
        { class: "tools", role: "group", "aria-label": "Part of the run that all charts show" },
        shown,
        button("−", "Zoom out", () => axis.scale(2)),
        button("+", "Zoom in", () => axis.scale(0.5)),
        button("←", "Earlier", () => axis.move(-0.5)),
        button("→", "Later", () => axis.move(0.5)),
        reset,
    );
}
