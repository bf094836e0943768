// One chart with all around the plot: title, legend with values, words for those who hear, keys.
import uPlot from "uplot";
import type { Axis } from "./axis";
import { el, setText } from "./dom";
import { clock } from "./format";
import { drawMarks } from "./marks";
import { AXIS_PX, axisStyle, levelAxis, logAxis } from "./scales";
import type { Run } from "./run";
import { nearest, placeOf, thinned } from "./thin";
import { onTheme, palette, seriesColour, swatch, widthOf } from "./theme";
import { soon } from "./turns";

export interface Line {
    label: string;
    values: readonly (number | null)[];
    /** Number of the colour. */
    colour: number;
    dash?: number[];
    width?: number;
}

export interface Spec {
    id: string;
    title: string;
    /** What is measured, behind the title. */
    unit: string;
    format: (value: number) => string;
    log?: boolean;
    /** Marks carry their numbers here. */
    numbered?: boolean;
    /** Nothing is drawn, and the chart is hidden, where there is no line. */
    lines: (run: Run) => Line[];
    /** Below the lines. */
    draw?: (chart: uPlot, run: Run) => void;
    /** The y axis, where it is not that of the lines. */
    range?: (run: Run) => [number, number];
    note?: string;
}

const HEIGHT = 190;
const PAPER_WIDTH = 300;
const RIGHT_PX = 20;
const NEAR = "300px";
const MOST_BEHIND_S = 5;
/** Between ticks of the time axis: parts of minutes and hours, not of hundreds. */
const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];

/** Places of values to which no line leads. */
function alone(values: ArrayLike<number | null | undefined>): number[] {
    const found: number[] = [];
    for (let at = 0; at < values.length; at++) if (values[at] != null && values[at - 1] == null && values[at + 1] == null) found.push(at);
    return found;
}

export class Figure {
    readonly element: HTMLElement;
    private readonly plot = el("div", { class: "plot", "aria-hidden": "true" });
    private readonly legend = el("ul", { class: "legend" });
    private readonly words = el("p", { class: "heard" });
    private readonly said = el("p", { class: "heard", role: "status" });
    private chart: uPlot | null = null;
    private lines: Line[] = [];
    private hidden = new Set<string>();
    private times: readonly number[] = [];
    private drawn = "";
    private drawnTo = 0;
    private seen = false;
    private behind = false;

    constructor(
        private readonly spec: Spec,
        private readonly run: Run,
        private readonly axis: Axis,
    ) {
        const id = `chart-${spec.id}`;
        this.element = el(
            "figure",
            { id, tabindex: "0", role: "group", "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-words` },
            el("figcaption", { id: `${id}-title` }, el("span", { class: "title" }, spec.title), " ", el("span", { class: "unit" }, spec.unit)),
            this.legend,
            this.plot,
            this.words,
            this.said,
            spec.note ? el("p", { class: "note" }, spec.note) : null,
        );
        this.words.id = `${id}-words`;
        this.element.hidden = true;
        this.element.addEventListener("keydown", (event) => this.key(event));
        new ResizeObserver(() => this.resize()).observe(this.plot);
        // What nobody sees is not drawn each second, but when it comes near.
        new IntersectionObserver(([entry]) => this.look(entry?.isIntersecting ?? false), { rootMargin: NEAR }).observe(this.element);
        onTheme(() => this.rebuild());
        axis.onZoom(() => this.show());
    }

    update(): void {
        const { run, spec } = this;
        this.lines = spec.lines(run);
        this.times = run.numbers("at_s", 0);
        this.element.hidden = this.lines.length === 0 || this.times.length === 0;
        if (this.element.hidden) return;
        // The end is shown at once: nobody is to see half of it.
        if (this.run.result) this.show();
        else if (this.isDue()) soon(this, () => this.show());
        if (this.pointedAt() === null) this.showValues(null);
    }

    /** Whether there is a column of pixels to be drawn: sooner it would look the same. Values are told at once. */
    private isDue(): boolean {
        const [from, to] = this.axis.range;
        const news = (this.times.at(-1) ?? 0) - this.drawnTo;
        const enough = Math.min((to - from) / this.columns(), MOST_BEHIND_S);
        return this.chart === null || this.drawn !== this.names() || news < 0 || news >= enough;
    }

    /** The part of the run that the axis says; where nobody sees it, not before it comes near. */
    private show(): void {
        this.behind = !this.seen && !this.run.result;
        if (this.behind || this.element.hidden) return;
        this.drawnTo = this.times.at(-1) ?? 0;
        if (this.chart === null || this.drawn !== this.names()) this.rebuild();
        else this.chart.setData(this.data(), false);
        const [min, max] = this.axis.range;
        this.chart?.setScale("x", { min, max });
        this.describe();
    }

    private look(seen: boolean): void {
        this.seen = seen;
        if (seen && this.behind) soon(this, () => this.show());
    }

    private names(): string {
        return this.lines.map((line) => line.label).join("\n");
    }

    /** Marks changed, or what is below the lines. */
    redraw(): void {
        this.chart?.redraw(false);
    }

    private data(): uPlot.AlignedData {
        const isDrawn = (value: number): boolean => Number.isFinite(value) && (!this.spec.log || value > 0);
        return thinned(this.times, this.lines.map((line) => line.values), this.axis.range, this.columns(), isDrawn);
    }

    /** Pixels of the plot from left to right. */
    private columns(): number {
        return this.chart?.bbox.width ?? (widthOf(this.plot, PAPER_WIDTH) - AXIS_PX - RIGHT_PX) * devicePixelRatio;
    }

    private rebuild(): void {
        if (this.chart) {
            this.axis.remove(this.chart);
            this.chart.destroy();
            this.chart = null;
        }
        if (this.element.hidden || this.lines.length === 0) return;
        this.drawn = this.names();
        this.chart = new uPlot(this.options(), this.data(), this.plot);
        this.axis.add(this.chart);
        this.showLegend();
    }

    private options(): uPlot.Options {
        const { spec } = this;
        const axis = axisStyle();
        return {
            width: widthOf(this.plot, PAPER_WIDTH),
            height: HEIGHT,
            legend: { show: false },
            padding: [8, RIGHT_PX, 0, 0],
            cursor: { y: false, sync: this.axis.sync, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
            scales: {
                x: { time: false, range: () => this.axis.range },
                y: {
                    distr: spec.log ? 3 : 1,
                    range: (_chart, min, max) => this.range(min, max),
                },
            },
            axes: [
                { ...axis, size: 26, incrs: STEPS_S, values: (_chart, ticks) => ticks.map((tick) => clock(tick, (ticks[1] ?? 1) - (ticks[0] ?? 0) < 1)) },
                spec.log ? { ...axis, ...logAxis(spec.format) } : { ...axis, ...levelAxis(spec.format) },
            ],
            series: [
                {},
                ...this.lines.map((line) => ({
                    label: line.label,
                    show: !this.hidden.has(line.label),
                    stroke: seriesColour(line.colour),
                    width: line.width ?? 1.5,
                    ...(line.dash ? { dash: line.dash } : {}),
                    points: {
                        show: (chart: uPlot) => chart.data[0].length < 3,
                        filter: (chart: uPlot, place: number, all: boolean) => (all ? null : alone(chart.data[place] ?? [])),
                        fill: seriesColour(line.colour),
                        size: 5,
                    },
                    scale: "y",
                })),
            ],
            hooks: {
                drawClear: [(chart) => spec.draw?.(chart, this.run)],
                draw: [
                    (chart) => {
                        drawMarks(chart, this.run.events, spec.numbered ?? false);
                        this.drawEndless(chart);
                    },
                ],
                setCursor: [() => this.showValues(this.pointedAt())],
                setSelect: [(chart) => this.select(chart)],
                ready: [(chart) => chart.over.addEventListener("dblclick", () => this.axis.reset())],
            },
        };
    }

    private range(min: number | null, max: number | null): [number, number] {
        if (this.spec.range) return this.spec.range(this.run);
        if (this.spec.log) {
            if (min === null || max === null || max <= 0) return [0.1, 10];
            const low = 10 ** Math.floor(Math.log10(min));
            return [low, Math.max(10 ** Math.ceil(Math.log10(max * 1.0001)), low * 10)];
        }
        const top = max === null || max <= 0 ? 1 : max;
        return [0, top * 1.08];
    }

    /** Values that never ended lie above all that can be drawn: a small peak at the upper edge. */
    private drawEndless(chart: uPlot): void {
        const { ctx, bbox } = chart;
        const size = 4 * devicePixelRatio;
        const [from, to] = this.axis.range;
        ctx.save();
        this.lines.forEach((line) => {
            if (this.hidden.has(line.label)) return;
            ctx.fillStyle = seriesColour(line.colour);
            let last = -Infinity;
            for (let place = placeOf(this.times, from); place < this.times.length && (this.times[place] as number) <= to; place++) {
                if (line.values[place] !== Infinity) continue;
                const x = chart.valToPos(this.times[place] as number, "x", true);
                if (x - last < size) continue;
                last = x;
                ctx.beginPath();
                ctx.moveTo(x, bbox.top);
                ctx.lineTo(x - size, bbox.top + size * 1.5);
                ctx.lineTo(x + size, bbox.top + size * 1.5);
                ctx.fill();
            }
        });
        ctx.restore();
    }

    /** The moment at which the reader points. */
    private pointedAt(): number | null {
        const left = this.chart?.cursor.left ?? -1;
        return left < 0 || !this.chart || this.times.length === 0 ? null : nearest(this.times, this.chart.posToVal(left, "x"));
    }

    private select(chart: uPlot): void {
        const { left, width } = chart.select;
        if (width < 8) return;
        const [from, to] = [chart.posToVal(left, "x"), chart.posToVal(left + width, "x")];
        chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        this.axis.show(from, to);
    }

    private resize(): void {
        const width = widthOf(this.plot, PAPER_WIDTH);
        if (this.chart && this.plot.clientWidth > 0 && width !== this.chart.width) {
            this.chart.setSize({ width, height: HEIGHT });
            this.show();
        }
    }

    private valueAt(index: number, at: number | null): string {
        const values = this.lines[index]?.values ?? [];
        if (at === null && this.run.result) return "";
        const value = at === null ? this.last(values) : (values[at] ?? null);
        return value === null ? "–" : value === Infinity ? "∞" : this.spec.format(value);
    }

    /** The last that is known. Of a run that is over no moment is nearer than another. */
    private last(values: readonly (number | null)[]): number | null {
        for (let index = values.length - 1; index >= 0; index--) if (values[index] !== null) return values[index] ?? null;
        return null;
    }

    private showLegend(): void {
        if (this.spec.draw) {
            const steps = palette().heat.map((colour) => {
                const step = el("i");
                step.style.background = colour;
                return step;
            });
            this.legend.replaceChildren(el("li", { class: "scale" }, "few", el("span", {}, ...steps), "most"));
            return;
        }
        this.legend.replaceChildren(
            ...this.lines.map((line, index) => {
                const button = el("button", { type: "button", "aria-pressed": String(!this.hidden.has(line.label)) }, swatch(line.colour, line.dash !== undefined), el("bdi", {}, line.label), " ", el("span", { class: "value" }));
                button.addEventListener("click", () => {
                    if (!this.hidden.delete(line.label)) this.hidden.add(line.label);
                    button.setAttribute("aria-pressed", String(!this.hidden.has(line.label)));
                    this.chart?.setSeries(index + 1, { show: !this.hidden.has(line.label) });
                });
                return el("li", {}, button);
            }),
        );
        this.showValues(null);
    }

    private showValues(at: number | null): void {
        this.legend.querySelectorAll(".value").forEach((place, index) => setText(place, this.valueAt(index, at)));
    }

    /** What the lines are like, in words. */
    private describe(): void {
        const { format } = this.spec;
        const parts = this.lines.map(({ label, values }) => {
            const known = values.filter((value): value is number => value !== null);
            if (known.length === 0) return `${label}: nothing`;
            const [low, high] = known.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
            const say = (value: number): string => (value === Infinity ? "no end" : format(value));
            return `${label}: from ${say(low)} to ${say(high)}, last ${say(known.at(-1) as number)}`;
        });
        setText(this.words, `${parts.join("; ")}. Arrow keys read single values, plus and minus zoom, Escape shows the whole run.`);
    }

    private key(event: KeyboardEvent): void {
        if (event.target !== this.element || !this.chart || event.ctrlKey || event.metaKey || event.altKey) return;
        const at = this.pointedAt() ?? this.times.length - 1;
        const step = event.shiftKey ? 10 : 1;
        const time = this.times[at] ?? 0;
        const actions: Record<string, () => void> = {
            ArrowLeft: () => this.point(at - step),
            ArrowRight: () => this.point(at + step),
            Home: () => this.point(0),
            End: () => this.point(this.times.length - 1),
            "+": () => this.axis.scale(0.5, time),
            "-": () => this.axis.scale(2, time),
            Escape: () => this.axis.reset(),
            "0": () => this.axis.reset(),
        };
        const act = actions[event.key];
        if (!act) return;
        event.preventDefault();
        act();
    }

    private point(at: number): void {
        const index = Math.min(Math.max(at, 0), this.times.length - 1);
        const time = this.times[index];
        if (time === undefined || !this.chart) return;
        const [from, to] = this.axis.range;
        if (time < from || time > to) this.axis.show(time - (to - from) / 2, time + (to - from) / 2);
        this.axis.point(time);
        const values = this.lines.map((line, number) => `${line.label} ${this.valueAt(number, index)}`);
        setText(this.said, `${clock(time)}: ${values.join(", ")}`);
    }
}
