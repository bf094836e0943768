// Latency by percentile, as HdrHistogram's users know it: every nine more gets as much room as the one before.
import uPlot from "uplot";
import { el, section } from "./dom";
import { count, milliseconds } from "./format";
import type { Run } from "./run";
import { axisStyle, levelAxis, logAxis } from "./scales";
import { onTheme, seriesColour, swatch, widthOf } from "./theme";

const KINDS = ["response", "service", "lateness"];
const HEIGHT = 260;
const PAPER_WIDTH = 630;

/** 0 at 0 %, 1 at 90 %, 2 at 99 %, ... */
const nines = (percent: number): number => -Math.log10(1 - percent / 100);

function nameOf(place: number): string {
    if (place === 0) return "0 %";
    const digits = "9".repeat(place);
    return place <= 2 ? `${digits.padEnd(2, "0")} %` : `${digits.slice(0, 2)}.${digits.slice(2)} %`;
}

export function distributionSection(run: Run): HTMLElement {
    const plot = el("div", { class: "plot", "aria-hidden": "true" });
    const legend = el("ul", { class: "legend" });
    const readout = el("span", { class: "range" });
    const words = el("p", { class: "heard" });
    const linear = el("input", { type: "checkbox", id: "linear" });
    const tools = el("div", { class: "tools" }, readout, el("label", { for: "linear" }, linear, " linear scale"));
    const figure = el("figure", { id: "chart-distribution", role: "group", "aria-label": "Latency by percentile" }, legend, plot, words);
    const element = section("distribution", "Latency by percentile", tools, figure);
    let chart: uPlot | null = null;

    const draw = (): void => {
        chart?.destroy();
        chart = null;
        const kinds = KINDS.filter((kind) => (run.distribution[kind] ?? []).some(([, value]) => typeof value === "number" && value > 0));
        element.hidden = kinds.length === 0;
        if (element.hidden) return;
        const { rows, data } = aligned(run, kinds);
        const last = rows.at(-1) ?? 1;
        const axis = axisStyle();
        const log = !linear.checked;
        chart = new uPlot(
            {
                width: widthOf(plot, PAPER_WIDTH),
                height: HEIGHT,
                legend: { show: false },
                padding: [8, 24, 0, 0],
                cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
                scales: {
                    x: { time: false, range: [0, Math.max(last, 1)] },
                    y: { distr: log ? 3 : 1, ...(log ? {} : { range: (_chart: uPlot, _min: number, max: number) => [0, max * 1.08] as [number, number] }) },
                },
                axes: [
                    { ...axis, size: 26, splits: () => Array.from({ length: Math.floor(last) + 1 }, (_, place) => place), values: (_chart, places) => places.map((place) => nameOf(place)) },
                    log ? { ...axis, ...logAxis(milliseconds) } : { ...axis, ...levelAxis(milliseconds) },
                ],
                series: [
                    {},
                    ...kinds.map((kind, index) => ({
                        label: kind,
                        stroke: seriesColour(index),
                        width: 2,
                        spanGaps: true,
                        points: { show: false },
                        ...(index === 2 ? { dash: [5, 4] } : {}),
                    })),
                ],
                hooks: {
                    setCursor: [
                        (moved) => {
                            const at = moved.cursor.idx ?? null;
                            const place = at === null ? null : (rows[at] ?? null);
                            readout.textContent =
                                at === null || place === null
                                    ? ""
                                    : `${percentOf(place)}: ${kinds.map((kind, index) => `${kind} ${milliseconds(near(data[index] ?? [], at))}`).join(", ")}`;
                        },
                    ],
                },
            },
            [rows, ...data] as uPlot.AlignedData,
            plot,
        );
        legend.replaceChildren(...kinds.map((kind, index) => el("li", {}, swatch(index, index === 2), kind)));
        const latency = run.result?.latency["response"];
        if (latency)
            words.textContent = `Response: median ${milliseconds(latency.p50_ms)}, 90 % ${milliseconds(latency.p90_ms)}, 99 % ${milliseconds(latency.p99_ms)}, 99.9 % ${milliseconds(latency.p999_ms)}, highest ${milliseconds(latency.max_ms)}, of ${count(latency.count)} samples.`;
    };
    linear.addEventListener("change", draw);
    onTheme(draw);
    run.on(["result"], draw);
    new ResizeObserver(() => {
        const width = widthOf(plot, PAPER_WIDTH);
        if (chart && plot.clientWidth > 0 && chart.width !== width) chart.setSize({ width, height: HEIGHT });
    }).observe(plot);
    element.hidden = true;
    return element;
}

/** All kinds over the same percentiles. At 100 % stands the highest: a step beyond the last of the others. */
function aligned(run: Run, kinds: string[]): { rows: number[]; data: (number | null)[][] } {
    const found = kinds.map((kind) => {
        const points = new Map<number, number>();
        let last = 0;
        for (const [percent, value] of run.distribution[kind] ?? []) {
            const place = percent >= 100 ? last + Math.log10(2) / 5 : nines(percent);
            last = place;
            if (typeof value === "number" && value > 0) points.set(place, value);
        }
        return points;
    });
    const rows = [...new Set(found.flatMap((points) => [...points.keys()]))].sort((a, b) => a - b);
    return { rows, data: found.map((points) => rows.map((place) => points.get(place) ?? null)) };
}

function near(values: (number | null)[], at: number): number | null {
    for (let index = at; index >= 0; index--) if (values[index] != null) return values[index] ?? null;
    return null;
}

function percentOf(place: number): string {
    const rest = 10 ** -place;
    const digits = Math.min(7, Math.max(0, Math.ceil(place) - 1));
    return `${((1 - rest) * 100).toFixed(digits)} %`;
}
