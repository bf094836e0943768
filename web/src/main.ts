// The page: what stands where, and what it is fed.
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { Axis, axisButtons } from "./axis";
import { SPECS } from "./charts";
import { controlBar } from "./control";
import { countSection, machineSection, planSection } from "./details";
import { distributionSection } from "./distribution";
import { el, section } from "./dom";
import { Figure } from "./figure";
import { counted, duration } from "./format";
import { headline } from "./headline";
import { Run } from "./run";
import { checkSection, errorSection, eventSection, labelSection, latencySection, metricSection, thresholdSection } from "./sections";
import { feedInto } from "./source";
import { startTheme } from "./theme";

function chartSection(run: Run): HTMLElement {
    const axis = new Axis();
    const figures = SPECS.map((spec) => new Figure(spec, run, axis));
    const note = el("p", { class: "note" });
    const element = section("charts", "From second to second", axisButtons(axis), el("div", { class: "grid" }, ...figures.map((figure) => figure.element)), note);
    run.on(["moments", "opening", "result"], () => {
        const last = run.numbers("at_s", 0).at(-1) ?? 0;
        axis.grow(run.result ? last : Math.max(last, Math.min(run.opening?.duration_s ?? 0, last * 1.5 + 10)));
        element.hidden = run.length === 0;
        for (const figure of figures) figure.update();
        const joined = run.secondsPerPoint;
        note.textContent =
            joined > 1.5
                ? `${counted(run.length, "point")}, each of up to ${duration(joined)}: counts are summed; percentiles, users, connections and CPU are the highest of the seconds in it. The heat map is exact.`
                : "";
    });
    run.on(["events"], () => figures.forEach((figure) => figure.redraw()));
    element.hidden = true;
    return element;
}

function build(run: Run): void {
    const main = el(
        "main",
        { id: "main" },
        thresholdSection(run),
        errorSection(run),
        chartSection(run),
        distributionSection(run),
        latencySection(run),
        labelSection(run),
        checkSection(run),
        metricSection(run),
        eventSection(run),
        countSection(run),
        planSection(run),
        machineSection(run),
    );
    const skip = el("a", { class: "skip", href: "#main" }, "Skip to the numbers");
    document.getElementById("page")?.append(skip, headline(run), controlBar(run), main);
}

const run = new Run();
startTheme();
build(run);
await feedInto(run);
