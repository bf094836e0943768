// The y axes of charts: ticks with units, where they can be read.
import type uPlot from "uplot";

/** From the left to the plot. */
export const AXIS_PX = 62;

/** "1.00 ms" is "1 ms" on an axis. */
const tidy = (text: string): string => text.replace(/\.0+(?= |$)/, "").replace(/(\.\d*?)0+(?= |$)/, "$1");

export function levelAxis(format: (value: number) => string): uPlot.Axis {
    return { size: AXIS_PX, values: (_chart, ticks) => ticks.map((tick) => (tick === null ? "" : tidy(format(tick)))) };
}

/** Powers of ten; where there are fewer than two of them, also twice and five times as much. */
export function logAxis(format: (value: number) => string, grid: uPlot.Axis.Grid): uPlot.Axis {
    const some = (chart: uPlot, splits: number[]): (number | null)[] => {
        const { min, max } = chart.scales["y"] ?? {};
        const wide = Math.log10((max ?? 1) / (min ?? 1)) >= 2;
        return splits.map((split) => {
            const digit = Math.round(split / 10 ** Math.floor(Math.log10(split) + 1e-9));
            return digit === 1 || (!wide && (digit === 2 || digit === 5)) ? split : null;
        });
    };
    return {
        ...levelAxis(format),
        filter: some,
        grid: { ...grid, filter: some },
    };
}
