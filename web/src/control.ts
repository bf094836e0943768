// The bar that changes a load while it is on. In a report there is none.
import "./control.css";
import { el, setText } from "./dom";
import type { ControlState, Order } from "./feed";
import { clock } from "./format";
import { CHANGES } from "./marks";
import type { Run } from "./run";

type Quantity = "rate" | "users";

const LIMITS = { rate: { min: "0", step: "any" }, users: { min: "1", step: "1" } } as const;

const valueOf = (of: Quantity, state: ControlState): number => (of === "rate" ? state.rate_per_s : state.users) ?? 0;

/** A number to type, a tenth less, a tenth more. */
function quantity(of: Quantity, give: (order: Order) => void): { element: HTMLElement; show: (state: ControlState, name: string) => void } {
    const label = el("label", { for: `control-${of}` });
    const field = el("input", { type: "number", id: `control-${of}`, ...LIMITS[of], inputmode: "decimal", required: true });
    let shown = "";
    // What somebody is typing stays, and is seen to be no more than that.
    const isTyped = (): boolean => field.classList.contains("typed");
    const forget = (): void => field.classList.remove("typed");
    field.addEventListener("input", () => field.classList.add("typed"));
    field.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        forget();
        field.value = shown;
    });
    const submit = (event: Event): void => {
        event.preventDefault();
        const value = field.valueAsNumber;
        forget();
        give(of === "rate" ? { do: "rate", per_s: value } : { do: "users", users: value });
    };
    const tenth = (up: boolean): HTMLElement => {
        const words = up ? "+10 %" : "−10 %";
        const listener = (): void => {
            forget();
            give({ do: "step", of, up });
        };
        return el("button", { type: "button", class: "quiet", "aria-label": `${words} ${of}`, onclick: listener }, words);
    };
    const all = el("fieldset", {}, label, field, el("button", { class: "quiet", "aria-label": `Set ${of}` }, "Set"), tenth(false), tenth(true));
    const element = el("form", { onsubmit: submit }, all);
    const show = (state: ControlState, name: string): void => {
        element.hidden = !state.can_change.includes(of);
        all.disabled = state.paused;
        setText(label, name);
        const value = valueOf(of, state);
        shown = String(value >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
        if (state.paused) forget();
        if (!isTyped()) field.value = shown;
    };
    return { element, show };
}

/** The question before the end; once the load is over, before the end of waiting. */
function stopping(give: (order: Order) => void): { button: HTMLElement; dialog: HTMLDialogElement; show: (on: boolean) => void } {
    const words = el("p", { id: "control-stop-words" });
    const dialog = el("dialog", { "aria-labelledby": "control-stop", "aria-describedby": "control-stop-words" });
    const answer = (words: string, act: () => void, kind: string): HTMLElement => {
        const listener = (): void => {
            dialog.close();
            act();
        };
        return el("button", { type: "button", class: kind, onclick: listener }, words);
    };
    dialog.append(
        el("h2", { id: "control-stop" }, "Stop the run?"),
        words,
        el("div", { class: "answers" }, answer("Let it run", () => undefined, "quiet"), answer("Stop the run", () => give({ do: "stop" }), "quiet stop")),
    );
    const button = el("button", { type: "button", class: "quiet stop", onclick: () => dialog.showModal() });
    const show = (on: boolean): void => {
        setText(button, on ? "Stop…" : "Stop at once…");
        setText(words, on ? "Nothing new begins, what is under way may end, and the report is written, as after Ctrl-C." : "What is under way is given up, and the report is written.");
    };
    return { button, dialog, show };
}

export function controlBar(run: Run): HTMLElement {
    const give = (order: Order): void => {
        run.refused = null;
        setText(trouble, "");
        run.send?.(order);
    };
    const [rates, users] = [quantity("rate", give), quantity("users", give)];
    const pause = el("button", { type: "button", class: "quiet", onclick: () => give({ do: run.control?.paused ? "resume" : "pause" }) });
    const stop = stopping(give);
    const words = el("p", { class: "note", role: "status" });
    const trouble = el("p", { class: "bad", role: "alert" });
    const buttons = el("div", { class: "buttons" }, pause, stop.button);
    const element = el("section", { id: "control", "aria-label": "Control of the load" }, el("div", { class: "bar" }, rates.element, users.element, buttons), words, trouble, stop.dialog);
    const show = (): void => {
        const state = run.control;
        element.hidden = state === null || run.result !== null || run.connection !== "live";
        if (state === null || element.hidden) return stop.dialog.close();
        const isOn = state.can_change.includes("pause");
        rates.show(state, run.opening?.sockets ? "Messages per second" : run.opening?.iterations ? "Iterations per second" : "Requests per second");
        users.show(state, "Users");
        stop.show(isOn);
        pause.hidden = !isOn;
        stop.button.hidden = !state.can_change.includes("stop");
        setText(pause, state.paused ? "Resume" : "Pause");
        element.dataset["paused"] = String(state.paused);
        setText(words, standing(state, run));
        setText(trouble, run.refused === null ? "" : `Not done: ${run.refused}.`);
    };
    run.on(["control", "events", "connection", "result"], show);
    element.hidden = true;
    return element;
}

/** What was asked for last, and when. */
function standing(state: ControlState, run: Run): string {
    const last = run.events.filter((told) => CHANGES.has(told.event)).at(-1);
    const change = last ? `Last changed at ${clock(last.at_s, true)}: ${last.text}.` : "";
    return [state.paused ? "Paused." : "", change].filter(Boolean).join(" ");
}
