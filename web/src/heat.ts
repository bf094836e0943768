// The heat map: how many samples of each moment fell into which step of latency. Drawn from exact counts.
import type uPlot from "uplot";
import type { Run } from "./run";
import { palette } from "./theme";

/** Step s begins at 2 ** (s / 4) ns: see python/loadgen/timeline.py. */
const STEPS = 4;

const lowerMs = (step: number): number => 2 ** (step / STEPS) / 1e6;

function columnsOf(run: Run): (number[] | null)[] {
    return (run.moments["heat"] ?? []) as (number[] | null)[];
}

export function heatRange(run: Run): [number, number] {
    let [low, high] = [Infinity, -Infinity];
    for (const column of columnsOf(run)) {
        if (!column) continue;
        const first = column[0] as number;
        low = Math.min(low, first);
        high = Math.max(high, first + column.length - 1);
    }
    return low > high ? [0.1, 10] : [lowerMs(low - 1), lowerMs(high + 1)];
}

export function drawHeat(chart: uPlot, run: Run): void {
    const { ctx, bbox } = chart;
    const colours = palette().heat;
    const times = run.numbers("at_s", 0);
    const lengths = run.numbers("length_s", 1);
    const steps = new Map<number, [number, number]>();
    const edges = (step: number): [number, number] => {
        let found = steps.get(step);
        if (!found) {
            const top = Math.floor(chart.valToPos(lowerMs(step + 1), "y", true));
            found = [top, Math.max(1, Math.ceil(chart.valToPos(lowerMs(step), "y", true)) - top)];
            steps.set(step, found);
        }
        return found;
    };
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    columnsOf(run).forEach((column, index) => {
        if (!column) return;
        const end = times[index] as number;
        const left = Math.floor(chart.valToPos(end - (lengths[index] as number), "x", true));
        const width = Math.max(1, Math.ceil(chart.valToPos(end, "x", true)) - left);
        if (left > bbox.left + bbox.width || left + width < bbox.left) return;
        const first = column[0] as number;
        let sum = 0;
        for (let place = 1; place < column.length; place++) sum += column[place] as number;
        for (let place = 1; place < column.length; place++) {
            const count = column[place] as number;
            if (count === 0) continue;
            // By the root, so that the few slow ones are seen beside the many quick ones.
            const shade = Math.min(colours.length - 1, Math.floor(Math.sqrt(count / sum) * colours.length));
            const [top, height] = edges(first + place - 1);
            ctx.fillStyle = colours[shade] as string;
            ctx.fillRect(left, top, width, height);
        }
    });
    ctx.restore();
}
