// Which charts there are, and what each draws.
import type { Line, Spec } from "./figure";
import { milliseconds, percent, perSecond, wholeOnly } from "./format";
import { drawHeat, heatRange } from "./heat";
import { type Counted, errorKinds, type Run } from "./run";

const some = (values: readonly (number | null)[]): boolean => values.some((value) => value !== null && value !== 0);
const DASH = [5, 4];
const MOST_KINDS = 6;

function lines(...found: Line[]): Line[] {
    return found.filter((line) => some(line.values));
}

function rates(run: Run): Line[] {
    const iterations = run.opening?.iterations ?? false;
    const [begun, well, ill] = iterations ? ["iterations_started", "iterations_ok", "iterations_failed"] : ["sent", "ok", "failed"];
    const offered = run.numbers("target_rate_per_s", null);
    return [
        ...lines({ label: "offered", values: offered, colour: 5, dash: DASH }),
        { label: iterations ? "started" : "sent", values: run.rates(`counts.${begun}`), colour: 0 },
        { label: "completed", values: run.rates(`counts.${well}`), colour: 2 },
        ...lines({ label: "failed", values: run.rates(`counts.${ill}`), colour: 1 }, { label: "dropped", values: run.rates("counts.dropped"), colour: 3 }),
    ];
}

function requests(run: Run): Line[] {
    if (!run.opening?.iterations) return [];
    return lines(
        { label: "sent", values: run.rates("counts.sent"), colour: 0 },
        { label: "ok", values: run.rates("counts.ok"), colour: 2 },
        { label: "failed", values: run.rates("counts.failed"), colour: 1 },
        { label: "retries", values: run.rates("counts.retries"), colour: 3 },
    );
}

const percentiles = (kind: string) => (run: Run): Line[] =>
    lines(
        { label: "p50", values: run.numbers(`${kind}.p50`, null), colour: 0 },
        { label: "p90", values: run.numbers(`${kind}.p90`, null), colour: 2 },
        { label: "p99", values: run.numbers(`${kind}.p99`, null), colour: 1, width: 2 },
        { label: "p99.9", values: run.numbers(`${kind}.p999`, null), colour: 3 },
        { label: "max", values: run.numbers(`${kind}.max`, null), colour: 5, dash: [2, 3], width: 1 },
    );

/** Rates of what is counted by name; the commonest have lines of their own. */
const byName = (names: (run: Run) => Counted[], first: number) => (run: Run): Line[] =>
    names(run)
        .slice(0, MOST_KINDS)
        .map(({ name, column }, index) => ({
            label: name,
            values: run.rates(column),
            colour: first + index,
            ...(index >= 3 ? { dash: DASH } : {}),
        }));

function held(run: Run): Line[] {
    const planned = run.numbers("target_users", null);
    return lines(
        { label: "users asked for", values: planned, colour: 5, dash: DASH },
        { label: "users", values: run.numbers("now.users", 0), colour: 3 },
        { label: "active users", values: run.numbers("now.active_users", 0), colour: 2 },
        { label: "connections", values: run.numbers("now.connections", 0), colour: 0 },
        { label: "in flight", values: run.numbers("now.in_flight", 0), colour: 4 },
        { label: "overdue", values: run.numbers("now.overdue", 0), colour: 1 },
    );
}

function generator(run: Run): Line[] {
    return lines(
        { label: "busy, of its time", values: run.numbers("busy", null), colour: 0 },
        { label: "CPU, of one core", values: run.rates("cpu_s"), colour: 1, dash: DASH },
    );
}

export const SPECS: Spec[] = [
    { id: "rates", title: "Rates", unit: "per second", format: perSecond, numbered: true, lines: rates },
    { id: "response", title: "Response time", unit: "from when it was due, log scale", format: milliseconds, log: true, lines: percentiles("response") },
    { id: "requests", title: "Requests", unit: "per second", format: perSecond, lines: requests },
    {
        id: "heat",
        title: "Heat map of response times",
        unit: "share of each moment, log scale",
        format: milliseconds,
        log: true,
        lines: (run) => (run.moments["heat"] ? [{ label: "median", values: run.numbers("response.p50", null), colour: 5, width: 0 }] : []),
        draw: drawHeat,
        range: heatRange,
    },
    { id: "service", title: "Service time", unit: "from when it was sent, log scale", format: milliseconds, log: true, lines: percentiles("service") },
    { id: "lateness", title: "Lateness", unit: "sent after it was due, log scale", format: milliseconds, log: true, lines: percentiles("lateness") },
    { id: "errors", title: "Errors by kind", unit: "per second", format: perSecond, lines: byName(errorKinds, 1) },
    { id: "counted", title: "Counted by name", unit: "per second", format: perSecond, lines: byName((run) => run.counted("tallies.").filter(({ name }) => !name.startsWith("bytes ") && name !== "most open"), 0) },
    { id: "held", title: "Users and connections", unit: "at each moment", format: wholeOnly, lines: held },
    { id: "generator", title: "The generator's own CPU", unit: "all workers", format: percent, lines: generator },
];
