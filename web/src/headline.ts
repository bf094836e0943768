// What matters most, on top: how it stands or ended, in a sentence; whether to trust it; the key figures.
import { el, setText, setTexts } from "./dom";
import { count, counted, duration, milliseconds, percent, rate } from "./format";
import type { Connection, Run } from "./run";
import { themeButton } from "./theme";

const STATES: Record<Connection, string> = {
    embedded: "report",
    connecting: "connecting",
    live: "live",
    lost: "connection lost, trying again",
    gone: "connection lost",
    over: "over",
};

export function headline(run: Run): HTMLElement {
    const name = el("bdi", {}, "loadgen");
    const state = el("span", { class: "state", role: "status" });
    const facts = el("p", { class: "facts" });
    const verdict = el("p", { class: "verdict" });
    const trust = el("p", { class: "trust" });
    const reasons = el("ul", { class: "reasons" });
    const figures = keyFigures();
    const top = el("div", { class: "top" }, el("h1", {}, name), state, themeButton());
    const box = el("div", { class: "box", role: "region", "aria-label": "Verdict" }, verdict, trust, reasons);

    const show = (): void => {
        const { opening, result } = run;
        setText(state, STATES[run.connection]);
        state.dataset["state"] = run.connection;
        if (!opening) return setText(verdict, isCut(run) ? "Nobody answers: the run is over, or loadgen has ended." : "Waiting for the run to begin.");
        document.title = `${opening.name} – loadgen`;
        setText(name, opening.name);
        const began = new Date(opening.started_at);
        const when = Number.isNaN(began.getTime()) ? "" : began.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
        const length = result ? `${duration(result.duration_s)} of load` : "";
        setTexts(facts, "bdi", [opening.load, opening.target, when, length, result?.changed ?? "", opening.note ?? ""].filter(Boolean));
        box.dataset["verdict"] = result?.verdict ?? "none";
        setText(verdict, result ? result.headline : soFar(run));
        setText(trust, result?.trust ?? "");
        trust.dataset["generator"] = result?.generator.verdict ?? "";
        setTexts(reasons, "li", result?.generator.reasons ?? []);
        figures.show(result ? ended(run) : underWay(run));
    };
    run.on(["opening", "moments", "result", "connection", "control"], show);
    show();
    return el("header", {}, top, facts, box, figures.element);
}

const isCut = (run: Run): boolean => run.connection === "lost" || run.connection === "gone";

function soFar(run: Run): string {
    const elapsed = run.numbers("at_s", 0).at(-1) ?? 0;
    const length = run.opening?.duration_s ?? 0;
    if (run.connection === "embedded") return "The run broke before its end: there is no result.";
    if (run.connection === "lost") return `Connection lost at ${duration(elapsed)} of ${duration(length)}.`;
    if (run.connection === "gone") return `Connection lost at ${duration(elapsed)} of ${duration(length)}: loadgen has ended, or cannot be reached. What it leaves is in its run folder.`;
    if (run.length === 0) return "The run begins.";
    if (run.numbers("draining", null).at(-1) === 1) return "The load is over; waiting for what is still under way.";
    return `${run.control?.paused ? "Paused" : "Running"}: ${duration(elapsed)} of ${duration(length)}.`;
}

/** A title, a value, a remark. */
type FigureRow = [string, string, string];

/** Each stays where it is from second to second, so that it can be read and copied. */
function keyFigures(): { element: HTMLElement; show: (rows: FigureRow[]) => void } {
    const element = el("dl", { class: "figures" });
    const cells: HTMLElement[][] = [];
    const add = (): HTMLElement[] => {
        const [title, value, remark] = [el("dt"), el("span", { class: "value" }), el("span", { class: "remark" })];
        element.append(el("div", {}, title, el("dd", {}, value, remark)));
        return [title, value, remark];
    };
    const show = (rows: FigureRow[]): void => {
        rows.forEach((row, place) => (cells[place] ??= add()).forEach((cell, part) => setText(cell, row[part] as string)));
    };
    return { element, show };
}

/** Of a script iterations fail, and the requests in them. */
function failures(run: Run, title: string, failed: number, all: number, requests: number): FigureRow {
    const share = all ? percent(failed / all) : "";
    return run.opening?.iterations ? ["failed iterations", count(failed), `${share}; ${counted(requests, "request")}`] : [title, count(failed), share];
}

function underWay(run: Run): FigureRow[] {
    const last = (name: string): number | null => run.numbers(name, null).at(-1) ?? null;
    const iterations = run.opening?.iterations ?? false;
    const offered = last("target_rate_per_s");
    const now = (name: string): string => rate(run.rates(`counts.${name}`).at(-1) ?? 0);
    const whole = (name: string): number => run.sum(`counts.${name}`);
    const busy = last("busy");
    return [
        [iterations ? "started" : "sent", now(iterations ? "iterations_started" : "sent"), offered === null ? "" : `of ${rate(offered)} offered`],
        ["completed", now(iterations ? "iterations_ok" : "ok"), ""],
        failures(run, "failed so far", whole(iterations ? "iterations_failed" : "failed"), whole(iterations ? "iterations_started" : "sent"), whole("failed")),
        ["median response", milliseconds(last("response.p50")), "last moment"],
        ["p99 response", milliseconds(last("response.p99")), "last moment"],
        ["p99 lateness", milliseconds(last("lateness.p99")), "last moment"],
        ["connections", count(last("now.connections") ?? 0), ""],
        ["generator busy", busy === null ? "–" : percent(busy), "of its time"],
    ];
}

function ended(run: Run): FigureRow[] {
    const result = run.result;
    if (!result) return [];
    const { arrivals, requests, latency } = result;
    const iterations = run.opening?.iterations ?? false;
    const response = latency["response"];
    const offered = result.target_rate_per_s;
    return [
        [iterations ? "started" : "sent", rate(result.achieved_rate_per_s), offered === null ? count(arrivals.sent) : `${count(arrivals.sent)}; offered ${rate(offered)}`],
        ["completed", result.completed_rate_per_s === null ? count(arrivals.completed) : rate(result.completed_rate_per_s), iterations ? `${counted(arrivals.completed, "iteration")}` : count(arrivals.completed)],
        failures(run, "failed", iterations ? arrivals.failed : requests.failed, iterations ? arrivals.sent : requests.total, requests.failed),
        ["median response", milliseconds(response?.p50_ms), "from when due"],
        ["p99 response", milliseconds(response?.p99_ms), response ? `max ${milliseconds(response.max_ms)}` : ""],
        ["p99 service", milliseconds(latency["service"]?.p99_ms), "from when sent"],
        ["p99 lateness", milliseconds(latency["lateness"]?.p99_ms), "sent after it was due"],
        ["generator busy", result.generator.busy === null ? "–" : percent(result.generator.busy), `${result.generator.cpu_s.toFixed(1)} s of CPU`],
    ];
}
