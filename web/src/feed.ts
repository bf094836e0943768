// What the page is fed, live and in a file: the shape that python/loadgen/report/feed.py writes.

/** A latency; "inf" where so many samples never ended. */
export type Milliseconds = number | "inf" | null;
export type Column = (number | "inf" | number[] | null)[];

export interface Finding {
    name: string;
    status: "ok" | "warn" | "unknown";
    value: string;
    advice: string;
}

export interface Introduction {
    name: string;
    command: string;
    load: string;
    target: string;
    note: string | null;
    started_at: string;
    duration_s: number;
    open_model: boolean;
    iterations: boolean;
    sockets: boolean;
    plan: Record<string, unknown>;
    machine: Finding[];
}

/** number, label, kind, total, failed, p50, p95, p99, max */
export type LabelRow = [number, string, string, number, number, Milliseconds, Milliseconds, Milliseconds, Milliseconds];

export interface Latency {
    count: number;
    mean_ms: number | null;
    stddev_ms: number | null;
    min_ms: number | null;
    p50_ms: Milliseconds;
    p75_ms: Milliseconds;
    p90_ms: Milliseconds;
    p95_ms: Milliseconds;
    p99_ms: Milliseconds;
    p999_ms: Milliseconds;
    p9999_ms: Milliseconds;
    max_ms: Milliseconds;
}

export interface Gauge {
    last: number;
    min: number;
    max: number;
}

export interface ErrorRow {
    kind: string;
    words: string;
    count: number;
    examples: string[];
}

export interface Told {
    at_s: number;
    event: string;
    text: string;
}

export interface ThresholdRow {
    expression: string;
    outcome: "pass" | "fail" | "no data";
    measured: string;
}

export interface Ending {
    verdict: "pass" | "fail" | "invalid" | "no-data";
    exit_code: number;
    headline: string;
    trust: string;
    changed: string | null;
    generator: { verdict: string; reasons: string[]; cpu_s: number; busy: number | null; lateness_p99_ms: Milliseconds; pacing: string };
    duration_s: number;
    target_rate_per_s: number | null;
    achieved_rate_per_s: number;
    completed_rate_per_s: number | null;
    arrivals: Record<"scheduled" | "sent" | "completed" | "failed" | "dropped" | "cancelled" | "unfinished", number>;
    requests: { total: number; ok: number; failed: number; bytes_sent: number; bytes_received: number; status: Record<string, number> };
    latency: Record<string, Latency>;
    workers: { pid: number; exit: number | null; cpu_s: number; max_rss_mb: number }[];
    sockets: { connections: Record<string, unknown>; messages: Record<string, unknown>; delivery: Record<string, unknown> } | null;
    blocked: { text: string; file: string; line: number; code: string; longest_ms: number; count: number }[];
}

/** How the load stands that can be changed from here. */
export interface ControlState {
    paused: boolean;
    rate_per_s: number | null;
    users: number | null;
    can_change: ("rate" | "users" | "pause" | "stop")[];
}

/** What python/loadgen/live/orders.py reads. */
export type Order = { do: "rate"; per_s: number } | { do: "users"; users: number } | { do: "step"; of: "rate" | "users"; up: boolean } | { do: "pause" | "resume" | "stop" };

export type MetricRow = [string, string, number | Gauge | Latency];
export type Distribution = Record<string, [number, Milliseconds][]>;

export interface Feed {
    schema: "loadgen/page/1";
    opening?: Introduction;
    moments?: Record<string, Column>;
    afresh?: boolean;
    labels?: LabelRow[];
    label_count?: number;
    thresholds?: ThresholdRow[];
    errors?: ErrorRow[];
    checks?: [string, number, number][];
    metrics?: MetricRow[];
    events?: Told[];
    distribution?: Distribution;
    result?: Ending;
    control?: ControlState;
    /** Why an order was not carried out; null: it was. */
    answer?: string | null;
}
