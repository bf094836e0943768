// Marks on the time axis: stages, alerts, lost workers. A number in the first chart leads to the list of events.
import type uPlot from "uplot";
import type { Told } from "./feed";
import { palette } from "./theme";

export type Weight = "plain" | "alert";

/** What people changed while the run was on. */
export const CHANGES = new Set(["rate_changed", "users_changed", "paused", "resumed"]);
const PLAIN = new Set(["stage", "gate_shut", "worker_resumed", ...CHANGES]);
/** Notes, which change nothing in the charts. */
const UNMARKED = new Set(["start", "end", "script", "worker_said", "no_report", "output", "imported"]);

export function weightOf(event: string): Weight | null {
    if (UNMARKED.has(event)) return null;
    return PLAIN.has(event) ? "plain" : "alert";
}

/** The events that have a mark, in time; the first stage begins with the run. */
export function marked(events: Told[]): Told[] {
    return events.filter((told) => weightOf(told.event) !== null && !(told.event === "stage" && told.at_s < 0.1));
}

export function drawMarks(chart: uPlot, events: Told[], numbered: boolean): void {
    const { ctx, bbox } = chart;
    const { text, series, surface } = palette();
    const scale = devicePixelRatio;
    ctx.save();
    ctx.font = `600 ${10 * scale}px system-ui, sans-serif`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    let [drawn, last] = [-Infinity, -Infinity];
    marked(events).forEach((told, index) => {
        const x = Math.round(chart.valToPos(told.at_s, "x", true));
        if (x === drawn || x < bbox.left - 1 || x > bbox.left + bbox.width + 1) return;
        drawn = x;
        const alert = weightOf(told.event) === "alert";
        const colour = alert ? (series[1] as string) : text;
        ctx.strokeStyle = colour;
        ctx.globalAlpha = alert ? 0.9 : 0.35;
        ctx.lineWidth = scale;
        ctx.setLineDash(alert ? [] : [3 * scale, 3 * scale]);
        ctx.beginPath();
        ctx.moveTo(x + 0.5, bbox.top);
        ctx.lineTo(x + 0.5, bbox.top + bbox.height);
        ctx.stroke();
        if (!numbered || x - last < 15 * scale) return;
        last = x;
        ctx.globalAlpha = 1;
        ctx.fillStyle = surface;
        ctx.fillRect(x - 7 * scale, bbox.top, 15 * scale, 13 * scale);
        ctx.fillStyle = colour;
        ctx.fillText(String(index + 1), x + 0.5 * scale, bbox.top + 7 * scale);
    });
    ctx.restore();
}
