// What a run was: its plan, its counts, its workers, the machine it ran on.
import { el, pairs, section } from "./dom";
import type { Finding } from "./feed";
import { bytes, count, counted, plain } from "./format";
import type { Run } from "./run";

export function countSection(run: Run): HTMLElement {
    const body = el("div");
    const element = section("counts", "Counts", body);
    element.hidden = true;
    run.on(["result"], () => {
        const result = run.result;
        if (!result) return;
        element.hidden = false;
        const { arrivals, requests, workers, sockets, blocked } = result;
        const statuses = Object.entries(requests.status).map(([status, number]) => `${status}: ${count(number)}`);
        const rows: [string, string][] = [
            [run.opening?.iterations ? "iterations" : "arrivals", Object.entries(arrivals).filter(([name, number]) => number || name === "failed").map(([name, number]) => `${count(number)} ${name}`).join(", ")],
            ["requests", `${count(requests.total)}: ${count(requests.ok)} ok, ${count(requests.failed)} failed`],
            ["status", statuses.join(", ") || "none"],
            ["bytes", `${bytes(requests.bytes_sent)} out, ${bytes(requests.bytes_received)} in`],
            ["workers", workers.map((one) => `pid ${one.pid}: ${one.cpu_s.toFixed(2)} s CPU, ${plain(one.max_rss_mb)} MB${one.exit === 0 ? "" : `, exit ${one.exit}`}`).join("; ")],
        ];
        for (const [name, values] of Object.entries({ sockets: sockets?.connections, messages: sockets?.messages }))
            if (values) rows.push([name, amounts(values)]);
        for (const call of blocked ?? []) rows.push(["blocking call", `${call.file}:${call.line}  ${call.code}  (${counted(call.count, "time")}, longest ${plain(call.longest_ms)} ms)`]);
        body.replaceChildren(pairs(rows));
    });
    return element;
}

/** Counts and groups of counts, in words. */
function amounts(values: Record<string, unknown>): string {
    return Object.entries(values)
        .map(([key, value]): [string, string] => [key.replaceAll("_", " "), typeof value === "number" ? count(value) : Object.entries(value ?? {}).map(([name, part]) => `${name}: ${text(part)}`).join(", ")])
        .filter(([, words]) => words)
        .map((parts) => parts.join(" "))
        .join(", ");
}

const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** Of a plan, what people ask for first; the whole of it below. */
const FIRST = ["name", "command", "label", "connections", "workers", "pacing", "reactor"];

export function planSection(run: Run): HTMLElement {
    const body = el("div");
    const element = section("plan", "Plan", body);
    element.hidden = true;
    run.on(["opening"], () => {
        const opening = run.opening;
        if (!opening) return;
        element.hidden = false;
        const rows: [string, string][] = [
            ["load", opening.load],
            ["target", opening.target],
        ];
        for (const name of FIRST) if (opening.plan[name] !== undefined && opening.plan[name] !== "") rows.push([name, text(opening.plan[name])]);
        for (const name of ["timeout_ns", "drain_ns"]) if (typeof opening.plan[name] === "number") rows.push([name.replace("_ns", ""), `${plain((opening.plan[name] as number) / 1e9)} s`]);
        for (const [name, origin] of Object.entries((opening.plan["origins"] ?? {}) as Record<string, string>)) rows.push([`${name.replace(/[._]/g, " ")} from`, origin]);
        const whole = el("pre", { tabindex: "0" }, JSON.stringify(opening.plan, null, 2));
        body.replaceChildren(pairs(rows), el("details", { "aria-label": "The whole plan" }, el("summary", {}, "The whole plan, as plan.json has it"), whole));
    });
    return element;
}

export function machineSection(run: Run): HTMLElement {
    const body = el("div");
    const element = section("machine", "Machine", body);
    element.hidden = true;
    run.on(["opening"], () => {
        const machine = run.opening?.machine ?? [];
        element.hidden = machine.length === 0;
        const value = ({ status, value, advice }: Finding): HTMLElement =>
            el("span", {}, el("bdi", {}, value), status === "warn" ? el("span", { class: "bad" }, ` – ${advice}`) : null);
        body.replaceChildren(pairs(machine.map((found) => [found.name, value(found)])));
    });
    return element;
}
