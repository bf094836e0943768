// The run as far as it is known: feeds are added to it, and whoever shows it is told once a frame.
import type { Column, ControlState, Distribution, Ending, ErrorRow, Feed, Introduction, LabelRow, MetricRow, Order, ThresholdRow, Told } from "./feed";
import { CHANGES } from "./marks";

export type Connection = "embedded" | "connecting" | "live" | "lost" | "gone" | "over";

/** Which parts changed since the last telling. */
export type Part = "opening" | "moments" | "labels" | "thresholds" | "errors" | "checks" | "metrics" | "events" | "result" | "connection" | "control";
type Listener = () => void;

const SHORTEST_DRAIN_S = 0.25;

export interface Counted {
    column: string;
    name: string;
    sum: number;
}

/** Kinds of error, and statuses that are errors. */
export function errorKinds(run: Run): Counted[] {
    const statuses = run.counted("status.").filter(({ name }) => Number(name) >= 400);
    return [...run.counted("errors."), ...statuses.map((one) => ({ ...one, name: `status ${one.name}` }))].sort((a, b) => b.sum - a.sum);
}

export class Run {
    opening: Introduction | null = null;
    moments: Record<string, Column> = {};
    labels = new Map<number, LabelRow>();
    labelCount = 0;
    thresholds: ThresholdRow[] = [];
    errors: ErrorRow[] = [];
    checks: [string, number, number][] = [];
    metrics: MetricRow[] = [];
    events: Told[] = [];
    distribution: Distribution = {};
    result: Ending | null = null;
    connection: Connection = "connecting";
    control: ControlState | null = null;
    /** Why the last order was not carried out. */
    refused: string | null = null;
    /** Gives an order, where there is somebody to give it to. */
    send: ((order: Order) => void) | null = null;
    private listeners: [Set<Part>, Listener][] = [];
    private changed = new Set<Part>();
    /** Columns made of those of the feed, as far as they were asked for. */
    private readonly known = new Map<string, (number | null)[]>();

    get length(): number {
        return this.moments["at_s"]?.length ?? 0;
    }

    /** The highest number of seconds in one point, where moments had to be joined. */
    get secondsPerPoint(): number {
        const lengths = (this.moments["length_s"] ?? []) as number[];
        return lengths.reduce((most, length) => Math.max(most, length), 0);
    }

    add(feed: Feed): void {
        if (feed.opening) this.set("opening", () => (this.opening = feed.opening ?? null));
        if (feed.afresh) this.forget();
        if (feed.moments) this.set("moments", () => this.append(feed.moments ?? {}));
        if (feed.result) {
            this.set("result", () => (this.result = feed.result ?? null));
            this.labels.clear();
        }
        if (feed.labels)
            this.set("labels", () => {
                for (const row of feed.labels ?? []) this.labels.set(row[0], row);
                this.labelCount = Math.max(feed.label_count ?? 0, this.labels.size);
            });
        if (feed.thresholds) this.set("thresholds", () => (this.thresholds = feed.thresholds ?? []));
        if (feed.errors) this.set("errors", () => (this.errors = feed.errors ?? []));
        if (feed.checks) this.set("checks", () => (this.checks = feed.checks ?? []));
        if (feed.metrics) this.set("metrics", () => (this.metrics = feed.metrics ?? []));
        if (feed.events) this.set("events", () => (this.events = this.events.concat(feed.events ?? [])));
        // What was refused is past when something else was done.
        if (feed.events?.some(({ event }) => event === "gate_shut" || CHANGES.has(event))) this.refused = null;
        if (feed.control) this.set("control", () => (this.control = feed.control ?? null));
        if (feed.answer !== undefined) this.set("control", () => (this.refused = feed.answer ?? null));
        if (feed.distribution) this.set("result", () => (this.distribution = feed.distribution ?? {}));
    }

    connect(connection: Connection): void {
        this.set("connection", () => (this.connection = connection));
    }

    /** Forget everything: the feed begins again. */
    restart(): void {
        this.forget();
        this.labels.clear();
        this.events = [];
    }

    private forget(): void {
        this.moments = {};
        this.known.clear();
    }

    on(parts: Part[], listener: Listener): void {
        this.listeners.push([new Set(parts), listener]);
    }

    /** Values of a column as numbers: infinite ones are Infinity, missing ones are `missing`. */
    numbers<T extends number | null>(name: string, missing: T): readonly (number | T)[] {
        const column = this.moments[name];
        return this.grown(`${missing} ${name}`, (index) => {
            const value = column?.[index] ?? null;
            return value === null ? missing : value === "inf" ? Infinity : (value as number);
        });
    }

    /** A count, as a rate in each moment. The last wink of a drain is too short to have one. */
    rates(name: string): readonly (number | null)[] {
        const [counts, lengths, draining] = [this.numbers(name, 0), this.numbers("length_s", 1), this.numbers("draining", 0)];
        return this.grown<number | null>(`rate ${name}`, (index) => {
            const length = lengths[index] ?? 1;
            return draining[index] && length < SHORTEST_DRAIN_S ? null : (counts[index] ?? 0) / Math.max(length, 1e-3);
        });
    }

    /** What was worked out already, and the rest of it. */
    private grown<T extends number | null>(key: string, valueAt: (index: number, known: T[]) => T): T[] {
        const known = (this.known.get(key) ?? []) as T[];
        this.known.set(key, known as (number | null)[]);
        for (let index = known.length; index < this.length; index++) known.push(valueAt(index, known));
        return known;
    }

    /** What is counted under names of its own, the most first. */
    counted(prefix: string): Counted[] {
        return Object.keys(this.moments)
            .filter((column) => column.startsWith(prefix))
            .map((column) => ({ column, name: column.slice(prefix.length), sum: this.sum(column) }))
            .sort((a, b) => b.sum - a.sum);
    }

    sum(column: string): number {
        const values = this.numbers(column, 0);
        return this.grown<number>(`sum ${column}`, (index, sums) => (sums[index - 1] ?? 0) + (values[index] ?? 0)).at(-1) ?? 0;
    }

    private append(columns: Record<string, Column>): void {
        const before = this.length;
        const added = columns["at_s"]?.length ?? 0;
        for (const name of new Set([...Object.keys(this.moments), ...Object.keys(columns)])) {
            const known = (this.moments[name] ??= new Array<null>(before).fill(null));
            const more = columns[name] ?? new Array<null>(added).fill(null);
            for (const value of more) known.push(value);
        }
    }

    private set(part: Part, act: () => void): void {
        act();
        if (this.changed.size === 0) requestAnimationFrame(() => this.tell());
        this.changed.add(part);
    }

    private tell(): void {
        const changed = this.changed;
        this.changed = new Set();
        for (const [parts, listener] of this.listeners) if ([...changed].some((part) => parts.has(part))) listener();
    }
}
