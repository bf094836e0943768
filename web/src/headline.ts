// What matters most, on top: how it stands or ended, in a sentence; whether to trust it; the key figures.
import { el, setText } from "./dom";
import { count, counted, duration, milliseconds, percent, rate } from "./format";
import type { Connection, Run } from "./run";
import { themeButton } from "./theme";

const STATES: Record<Connection, string> = {
    embedded: "report",
    connecting: "connecting",
    live: "live",
    lost: "connection lost, trying again",
    over: "over",
};

export function headline(run: Run): HTMLElement {
    const name = el("bdi", {}, "loadgen");
    const state = el("span", { class: "state", role: "status" });
    const facts = el("p", { class: "facts" });
    const verdict = el("p", { class: "verdict" });
    const trust = el("p", { class: "trust" });
    const reasons = el("ul", { class: "reasons" });
    const figures = el("dl", { class: "figures" });
    const top = el("div", { class: "top" }, el("h1", {}, name), state, themeButton());
    const box = el("div", { class: "box", role: "region", "aria-label": "Verdict" }, verdict, trust, reasons);

    const show = (): void => {
        const { opening, result } = run;
        if (!opening) {
            setText(verdict, run.connection === "lost" ? "Nobody answers: the run is over, or loadgen has ended." : "Waiting for the run to begin.");
            setText(state, STATES[run.connection]);
            return;
        }
        document.title = `${opening.name} – loadgen`;
        setText(name, opening.name);
        setText(state, STATES[run.connection]);
        state.dataset["state"] = run.connection;
        const began = new Date(opening.started_at);
        const when = Number.isNaN(began.getTime()) ? "" : began.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
        const length = result ? `${duration(result.duration_s)} of load` : "";
        facts.replaceChildren(...[opening.load, opening.target, when, length, result?.changed ?? ""].filter(Boolean).map((fact) => el("bdi", {}, fact)));
        if (opening.note) facts.append(el("bdi", {}, opening.note));
        box.dataset["verdict"] = result?.verdict ?? "none";
        setText(verdict, result ? result.headline : soFar(run));
        setText(trust, result?.trust ?? "");
        trust.dataset["generator"] = result?.generator.verdict ?? "";
        reasons.replaceChildren(...(result?.generator.reasons ?? []).map((reason) => el("li", {}, reason)));
        const rows = result ? ended(run) : underWay(run);
        figures.replaceChildren(
            ...rows.map(([title, value, remark]) => el("div", {}, el("dt", {}, title), el("dd", {}, el("span", { class: "value" }, value), el("span", { class: "remark" }, remark)))),
        );
    };
    run.on(["opening", "moments", "result", "connection", "control"], show);
    show();
    return el("header", {}, top, facts, box, figures);
}

function soFar(run: Run): string {
    const elapsed = run.numbers("at_s", 0).at(-1) ?? 0;
    const length = run.opening?.duration_s ?? 0;
    if (run.connection === "embedded") return "The run broke before its end: there is no result.";
    if (run.length === 0) return "The run begins.";
    if (run.numbers("draining", null).at(-1) === 1) return `The load is over; waiting for what is in flight.`;
    return `${run.control?.paused ? "Paused" : "Running"}: ${duration(elapsed)} of ${duration(length)}.`;
}

type FigureRow = [string, string, string];

function underWay(run: Run): FigureRow[] {
    const last = (name: string): number | null => run.numbers(name, null).at(-1) ?? null;
    const iterations = run.opening?.iterations ?? false;
    const offered = last("target_rate_per_s");
    const now = (name: string): string => rate(run.rates(`counts.${name}`).at(-1) ?? 0);
    const [failed, sent] = [run.sum("counts.failed"), run.sum("counts.sent")];
    const busy = last("busy");
    return [
        [iterations ? "started" : "sent", now(iterations ? "iterations_started" : "sent"), offered === null ? "" : `of ${rate(offered)} offered`],
        ["completed", now(iterations ? "iterations_ok" : "ok"), ""],
        ["failed so far", count(failed), sent ? percent(failed / sent) : ""],
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
    const failed = iterations ? arrivals.failed : requests.failed;
    const whole = iterations ? arrivals.sent : requests.total;
    const offered = result.target_rate_per_s;
    return [
        [iterations ? "started" : "sent", rate(result.achieved_rate_per_s), offered === null ? count(arrivals.sent) : `${count(arrivals.sent)}; offered ${rate(offered)}`],
        ["completed", result.completed_rate_per_s === null ? count(arrivals.completed) : rate(result.completed_rate_per_s), iterations ? `${counted(arrivals.completed, "iteration")}` : count(arrivals.completed)],
        ["failed", count(failed), whole ? percent(failed / whole) : ""],
        ["median response", milliseconds(response?.p50_ms), "from when due"],
        ["p99 response", milliseconds(response?.p99_ms), response ? `max ${milliseconds(response.max_ms)}` : ""],
        ["p99 service", milliseconds(latency["service"]?.p99_ms), "from when sent"],
        ["p99 lateness", milliseconds(latency["lateness"]?.p99_ms), "sent after it was due"],
        ["generator busy", result.generator.busy === null ? "–" : percent(result.generator.busy), `${result.generator.cpu_s.toFixed(1)} s of CPU`],
    ];
}
