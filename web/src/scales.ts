// The axes of charts: how they look; ticks with units, where they can be read.
import type uPlot from "uplot";
import { palette } from "./theme";

/** From the left to the plot. */
export const AXIS_PX = 62;

/** Quiet lines and small letters, in the colours of the theme. */
export function axisStyle(): uPlot.Axis {
    const { faint, grid } = palette();
    return { font: "11px system-ui, sans-serif", stroke: faint, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
}

/** "1.00 ms" is "1 ms" on an axis. */
const tidy = (text: string): string => text.replace(/\.0+(?= |$)/, "").replace(/(\.\d*?)0+(?= |$)/, "$1");

export function levelAxis(format: (value: number) => string): uPlot.Axis {
    return { size: AXIS_PX, values: (_chart, ticks) => ticks.map((tick) => tidy(format(tick))) };
}

/** The powers of ten between two values; where there are fewer than two of them, also twice and five times as much. */
function logTicks(low: number, high: number): number[] {
    const steps = Math.log10(high / low) >= 2 ? [1] : [1, 2, 5];
    const found: number[] = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
        found.push(...steps.map((step) => Number(`${step}e${power}`)).filter((tick) => tick >= low && tick <= high));
    return found;
}

/** With ticks of our own: uPlot's never end where the lowest value is just below a power of ten. */
export function logAxis(format: (value: number) => string): uPlot.Axis {
    return { ...levelAxis(format), splits: (_chart, _axis, low, high) => logTicks(low, high), filter: (_chart, splits) => splits };
}
