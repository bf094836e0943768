// The tables: labels, checks, thresholds, errors, metrics, latencies, events.
import { el, section, setText } from "./dom";
import type { ErrorRow, LabelRow, Latency, MetricRow, Milliseconds, ThresholdRow, Told } from "./feed";
import { clock, count, milliseconds, percent, plain } from "./format";
import { marked, weightOf } from "./marks";
import type { Part, Run } from "./run";
import { Table, type TableOptions } from "./table";

const order = (value: Milliseconds): number => (value === null ? -1 : value === "inf" ? Infinity : value);

/** A section around a table, which hides while there are no rows. */
function tabled<Row>(run: Run, id: string, title: string, parts: Part[], options: TableOptions<Row>, rows: () => Row[], below?: () => string): HTMLElement {
    const table = new Table(options);
    const note = el("p", { class: "note" });
    const element = section(id, title, table.element, note);
    element.hidden = true;
    run.on(parts, () => {
        const found = rows();
        element.hidden = found.length === 0;
        table.update(found, run.result !== null);
        setText(note, below?.() ?? "");
    });
    return element;
}

export function labelSection(run: Run): HTMLElement {
    const latency = (title: string, place: 5 | 6 | 7 | 8) => ({
        title,
        numeric: true,
        value: (row: LabelRow) => order(row[place]),
        show: (row: LabelRow) => milliseconds(row[place]),
    });
    return tabled<LabelRow>(
        run,
        "labels",
        "Response by label",
        ["labels", "result"],
        {
            name: "Response by label",
            noun: "label",
            sort: { column: 2, descending: true },
            filter: (row) => `${row[1]} ${row[2]}`,
            columns: [
                { title: "Label", wide: true, value: (row) => row[1] },
                { title: "Kind", value: (row) => row[2] },
                { title: "Count", numeric: true, value: (row) => row[3], show: (row) => count(row[3]) },
                { title: "Failed", numeric: true, value: (row) => row[4], show: (row) => count(row[4]), tone: (row) => (row[4] ? "bad" : "") },
                latency("p50", 5),
                latency("p95", 6),
                latency("p99", 7),
                latency("Max", 8),
            ],
        },
        () => [...run.labels.values()].filter((row) => row[3] > 0 || row[4] > 0),
        () => (run.labelCount > run.labels.size ? `${count(run.labelCount - run.labels.size)} more labels are in summary.json, or come with the next seconds.` : ""),
    );
}

export function checkSection(run: Run): HTMLElement {
    type Check = [string, number, number];
    const share = ([, passed, failed]: Check): number => failed / Math.max(passed + failed, 1);
    return tabled<Check>(
        run,
        "checks",
        "Checks",
        ["checks"],
        {
            name: "Checks",
            noun: "check",
            sort: { column: 2, descending: true },
            filter: (row) => row[0],
            columns: [
                { title: "Check", wide: true, value: (row) => row[0] },
                { title: "Passed", numeric: true, value: (row) => row[1], show: (row) => count(row[1]) },
                { title: "Failed", numeric: true, value: (row) => row[2], show: (row) => count(row[2]), tone: (row) => (row[2] ? "bad" : "") },
                { title: "Share failed", numeric: true, value: share, show: (row) => percent(share(row)) },
            ],
        },
        () => run.checks,
    );
}

export function thresholdSection(run: Run): HTMLElement {
    const words = { pass: ["holds", "met"], fail: ["fails", "NOT MET"], "no data": ["no data yet", "no data"] } as const;
    const tones = { pass: "good", fail: "bad", "no data": "" };
    return tabled<ThresholdRow>(
        run,
        "thresholds",
        "Thresholds",
        ["thresholds", "result"],
        {
            name: "Thresholds",
            noun: "threshold",
            sort: { column: -1, descending: false },
            columns: [
                { title: "Threshold", wide: true, value: (row) => row.expression },
                { title: "State", tight: true, value: (row) => words[row.outcome][run.result ? 1 : 0], tone: (row) => tones[row.outcome] },
                { title: "Measured", wide: true, value: (row) => row.measured },
            ],
        },
        () => run.thresholds,
    );
}

export function errorSection(run: Run): HTMLElement {
    return tabled<ErrorRow>(
        run,
        "errors",
        "Errors",
        ["errors", "result"],
        {
            name: "Errors",
            noun: "kind of error",
            sort: { column: 1, descending: true },
            columns: [
                { title: "Kind", tight: true, value: (row) => row.kind },
                { title: "Count", numeric: true, value: (row) => row.count, show: (row) => count(row.count) },
                { title: "Means", wide: true, value: (row) => row.words },
                { title: "Examples", wide: true, value: (row) => row.examples.join("; "), tone: () => "code" },
            ],
        },
        () => run.errors,
    );
}

function metricWords([, kind, value]: MetricRow): string {
    if (typeof value === "number") return kind === "rate" ? percent(value) : plain(value);
    if ("last" in value) return `last ${plain(value.last)}, min ${plain(value.min)}, max ${plain(value.max)}`;
    const number = (found: Milliseconds): string => (found === null ? "–" : found === "inf" ? "∞" : plain(found));
    return `p50 ${number(value.p50_ms)}, p95 ${number(value.p95_ms)}, p99 ${number(value.p99_ms)}, max ${number(value.max_ms)}, mean ${number(value.mean_ms)}, of ${count(value.count)}`;
}

export function metricSection(run: Run): HTMLElement {
    return tabled<MetricRow>(
        run,
        "metrics",
        "Metrics",
        ["metrics", "opening"],
        {
            name: "Metrics",
            noun: "metric",
            sort: { column: 0, descending: false },
            filter: (row) => row[0],
            columns: [
                { title: "Metric", value: (row) => row[0] },
                { title: "Kind", value: (row) => row[1] },
                { title: "Value", wide: true, value: metricWords },
            ],
        },
        () => run.metrics,
    );
}

export function latencySection(run: Run): HTMLElement {
    type Row = [string, Latency];
    const column = (title: string, field: keyof Latency) => ({
        title,
        numeric: true,
        value: (row: Row) => order(row[1][field]),
        show: (row: Row) => milliseconds(row[1][field]),
    });
    return tabled<Row>(
        run,
        "latencies",
        "Latencies",
        ["result"],
        {
            name: "Latencies of the whole run",
            noun: "latency",
            sort: { column: -1, descending: false },
            columns: [
                { title: "Latency", wide: true, value: (row) => row[0].replaceAll("_", " ") },
                { title: "Count", numeric: true, value: (row) => row[1].count, show: (row) => count(row[1].count) },
                column("p50", "p50_ms"),
                column("p90", "p90_ms"),
                column("p99", "p99_ms"),
                column("p99.9", "p999_ms"),
                column("Max", "max_ms"),
                column("Mean", "mean_ms"),
            ],
        },
        () => Object.entries(run.result?.latency ?? {}),
        () => "Response counts from when a request was due, service from when it was sent; lateness is the difference. –: too few samples. ∞: so many never ended.",
    );
}

export function eventSection(run: Run): HTMLElement {
    type Row = { mark: number; told: Told };
    return tabled<Row>(
        run,
        "events",
        "Events",
        ["events", "result"],
        {
            name: "Events",
            noun: "event",
            sort: { column: 0, descending: false },
            filter: (row) => `${row.told.event} ${row.told.text}`,
            columns: [
                { title: "Time", numeric: true, tight: true, value: (row) => row.told.at_s, show: (row) => clock(row.told.at_s, true) },
                { title: "Mark", numeric: true, tight: true, value: (row) => row.mark, show: (row) => (row.mark ? String(row.mark) : "") },
                { title: "What", tight: true, value: (row) => row.told.event.replaceAll("_", " "), tone: (row) => (weightOf(row.told.event) === "alert" ? "bad" : "") },
                { title: "Text", wide: true, value: (row) => row.told.text },
            ],
        },
        () => {
            const marks = new Map(marked(run.events).map((told, place) => [told, place + 1]));
            return run.events.map((told) => ({ told, mark: marks.get(told) ?? 0 }));
        },
    );
}
