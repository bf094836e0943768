// The heat map: how many samples of each moment fell into which step of latency. Drawn from exact counts.
import type uPlot from "uplot";
import type { Run } from "./run";
import { palette } from "./theme";
import { placeOf } from "./thin";

/** Step s begins at 2 ** (s / 4) ns: see python/loadgen/timeline.py. */
const STEPS = 4;

const picture = document.createElement("canvas");

const stepOf = (ms: number): number => Math.round(Math.log2(ms * 1e6) * STEPS);
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

/** The steps are as high as each other on a log axis: a picture of a pixel for each, of each column, is stretched. */
export function drawHeat(chart: uPlot, run: Run): void {
    const { bbox, ctx } = chart;
    const [from, to] = [chart.scales["x"]?.min ?? 0, chart.scales["x"]?.max ?? 1];
    const [low, high] = [stepOf(chart.scales["y"]?.min ?? 0.1), stepOf(chart.scales["y"]?.max ?? 10)];
    const [width, height] = [Math.max(1, Math.round(bbox.width)), Math.max(1, high - low)];
    const counts = samples(run, { from, to, low, width, height });
    picture.width = width;
    picture.height = height;
    const image = new ImageData(width, height);
    const colours = palette().heat.map((colour) => Number.parseInt(colour.slice(1), 16));
    for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let y = 0; y < height; y++) sum += counts[x * height + y] as number;
        for (let y = 0; y < height && sum > 0; y++) {
            const count = counts[x * height + y] as number;
            if (count === 0) continue;
            // By the root, so that the few slow ones are seen beside the many quick ones.
            const shade = Math.min(colours.length - 1, Math.floor(Math.sqrt(count / sum) * colours.length));
            const colour = colours[shade] as number;
            image.data.set([colour >> 16, (colour >> 8) & 255, colour & 255, 255], 4 * ((height - 1 - y) * width + x));
        }
    }
    picture.getContext("2d")?.putImageData(image, 0, 0);
    ctx.save();
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(picture, bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.restore();
}

interface Grid {
    from: number;
    to: number;
    low: number;
    width: number;
    height: number;
}

/** Column after column of the grid, from its lowest step. Moments that share a column are added up. */
function samples(run: Run, { from, to, low, width, height }: Grid): Float64Array {
    const counts = new Float64Array(width * height);
    const [times, lengths, columns] = [run.numbers("at_s", 0), run.numbers("length_s", 1), columnsOf(run)];
    const xOf = (time: number): number => Math.round(((time - from) / (to - from)) * width);
    for (let at = placeOf(times, from); at < times.length; at++) {
        const column = columns[at];
        const end = times[at] as number;
        const left = xOf(end - (lengths[at] as number));
        if (left >= width) break;
        if (!column) continue;
        const right = Math.min(width, Math.max(xOf(end), left + 1));
        for (let x = Math.max(0, left); x < right; x++)
            for (let place = 1; place < column.length; place++) {
                const y = (column[0] as number) + place - 1 - low;
                if (y >= 0 && y < height) counts[x * height + y] = (counts[x * height + y] as number) + (column[place] as number);
            }
    }
    return counts;
}
