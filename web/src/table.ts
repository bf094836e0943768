// A table that sorts by its heads and filters by a word. Of many rows only those in sight exist, in a window of their own.
import { el, setText } from "./dom";
import { count } from "./format";
import { isOnPaper, onTheme } from "./theme";
import { soon } from "./turns";

export interface TableColumn<Row> {
    title: string;
    /** What is sorted by. */
    value: (row: Row) => string | number;
    /** What is shown, where it is not the value. */
    show?: (row: Row) => string;
    numeric?: boolean;
    /** Takes the room that is left. */
    wide?: boolean;
    /** Is no wider than what is in it. */
    tight?: boolean;
    /** A class for the cell, by its state. */
    tone?: (row: Row) => string;
}

export interface TableOptions<Row> {
    name: string;
    noun: string;
    columns: TableColumn<Row>[];
    sort: { column: number; descending: boolean };
    filter?: (row: Row) => string;
}

/** More of them get a window, in which each is a line. */
const MOST_AT_ONCE = 20;
/** Rows beyond each edge of the window, so that there is something to see when it moves. */
const SPARE = 10;
/** Fewer are seen at a glance. */
const ENOUGH_TO_FILTER = 6;
const NEAR = "300px";
/** As in style.css. */
const ROW_PX = 31;

interface Line {
    element: HTMLTableRowElement;
    cells: HTMLTableCellElement[];
    texts: string[];
}

const alphabet = new Intl.Collator();

/** Stands for rows that are not in sight. */
class Space {
    private readonly row = el("tr", {}, el("td"));
    private readonly body = el("tbody", { class: "space", "aria-hidden": "true" }, this.row);

    of(rows: number): Node[] {
        if (rows === 0) this.body.remove();
        this.row.style.height = `${rows * ROW_PX}px`;
        return rows === 0 || this.body.isConnected ? [] : [this.body];
    }
}

function classOf<Row>(column: TableColumn<Row>): string {
    return [column.numeric && "number", column.wide && "wide", column.tight && "tight"].filter(Boolean).join(" ");
}

export class Table<Row> {
    readonly element: HTMLElement;
    private rows: Row[] = [];
    /** Those that are shown, in their order once they were drawn. */
    private found: Row[] = [];
    private lines: Line[] = [];
    private first = 0;
    private readonly body = el("tbody");
    private readonly before = new Space();
    private readonly after = new Space();
    private readonly table: HTMLTableElement;
    private readonly frame: HTMLElement;
    private readonly search: HTMLInputElement;
    private readonly tools: HTMLElement;
    private readonly shown = el("span", { class: "range", role: "status" });
    private readonly heads: HTMLTableCellElement[];
    private sort: { column: number; descending: boolean };
    private seen = false;
    private behind = false;

    constructor(private readonly options: TableOptions<Row>) {
        this.sort = { ...options.sort };
        this.search = el("input", { type: "search", placeholder: "Filter", "aria-label": `Filter ${options.noun}s`, oninput: () => (this.find(), this.draw()) });
        this.tools = el("div", { class: "tools" }, this.shown, this.search);
        this.heads = options.columns.map((column, index) =>
            el(
                "th",
                { scope: "col", class: classOf(column) },
                el("button", { type: "button", onclick: () => this.sortBy(index) }, column.title),
            ),
        );
        const head = el("thead", {}, el("tr", { "aria-rowindex": 1 }, ...this.heads));
        this.table = el("table", {}, el("caption", { class: "heard" }, options.name), head, this.body);
        // In reach of the keyboard, because it may be wider than the screen, or higher than its window.
        this.frame = el("div", { class: "frame", tabindex: "0", role: "region", "aria-label": options.name, onscroll: () => this.move() }, this.table);
        this.element = el("div", { class: "table" }, this.tools, this.frame);
        new ResizeObserver(() => this.move()).observe(this.frame);
        onTheme(() => this.draw()); // on paper all of it
        // What nobody sees is not written each second, but when it comes near.
        new IntersectionObserver(([entry]) => this.look(entry?.isIntersecting ?? false), { rootMargin: NEAR }).observe(this.element);
    }

    /** Other rows. At the end all tables are drawn, seen or not. */
    update(rows: Row[], atOnce: boolean): void {
        this.rows = rows;
        this.find();
        this.behind = !this.seen && !atOnce && this.lines.length > 0;
        if (!this.behind) this.draw();
    }

    private look(seen: boolean): void {
        this.seen = seen;
        if (seen && this.behind) soon(this, () => this.draw());
    }

    private sortBy(column: number): void {
        const numeric = this.options.columns[column]?.numeric ?? false;
        this.sort = { column, descending: this.sort.column === column ? !this.sort.descending : numeric };
        this.draw();
    }

    private find(): void {
        const { noun, filter } = this.options;
        const word = this.search.value.trim().toLowerCase();
        this.found = word && filter ? this.rows.filter((row) => filter(row).toLowerCase().includes(word)) : this.rows;
        this.tools.hidden = !filter || this.rows.length < ENOUGH_TO_FILTER;
        const [found, all] = [this.found.length, this.rows.length];
        setText(this.shown, found === all ? `${count(all)} ${noun}s` : `${count(found)} of ${count(all)} ${noun}s`);
        this.table.ariaRowCount = String(found + 1);
    }

    private draw(): void {
        this.behind = false;
        this.found = this.inOrder(this.found);
        this.heads.forEach((head, index) => {
            head.ariaSort = index !== this.sort.column ? null : this.sort.descending ? "descending" : "ascending";
        });
        this.frame.classList.toggle("many", this.many);
        this.write();
    }

    private get many(): boolean {
        return this.found.length > MOST_AT_ONCE && !isOnPaper();
    }

    private inOrder(rows: Row[]): Row[] {
        const column = this.options.columns[this.sort.column];
        if (!column) return rows;
        const direction = this.sort.descending ? -1 : 1;
        const order = (one: string | number, other: string | number): number =>
            typeof one === "number" && typeof other === "number" ? one - other || 0 : alphabet.compare(String(one), String(other));
        const keyed = rows.map((row) => ({ row, value: column.value(row) }));
        return keyed.sort((a, b) => order(a.value, b.value) * direction).map(({ row }) => row);
    }

    /** The window was moved: only what came into it is written. */
    private move(): void {
        const [first, end] = this.window();
        if (first !== this.first || end - first !== this.lines.length) this.write();
    }

    /** From which row to which, of those in order, there are lines. */
    private window(): [number, number] {
        if (!this.many) return [0, this.found.length];
        const inSight = Math.ceil(this.frame.clientHeight / ROW_PX) + 2 * SPARE;
        const top = Math.floor(this.frame.scrollTop / ROW_PX) - SPARE;
        const first = Math.max(0, Math.min(top, this.found.length - inSight));
        return [first, Math.min(first + inSight, this.found.length)];
    }

    private write(): void {
        const [first, end] = this.window();
        this.turn(first - this.first, end - first);
        this.first = first;
        this.lines.forEach((line, place) => this.writeLine(line, this.found[first + place] as Row, first + place));
        this.body.before(...this.before.of(first));
        this.body.after(...this.after.of(this.found.length - end));
    }

    /** So many lines as are needed; those that left at one edge come in at the other. */
    private turn(by: number, needed: number): void {
        while (this.lines.length > needed) this.lines.pop()?.element.remove();
        while (this.lines.length < needed) {
            const line = this.newLine();
            this.lines.push(line);
            this.body.append(line.element);
        }
        if (Math.abs(by) >= needed) return;
        for (; by > 0; by--) {
            const line = this.lines.shift() as Line;
            this.lines.push(line);
            this.body.append(line.element);
        }
        for (; by < 0; by++) {
            const line = this.lines.pop() as Line;
            this.lines.unshift(line);
            this.body.prepend(line.element);
        }
    }

    private newLine(): Line {
        const cells = this.options.columns.map((column, index) =>
            el(index === 0 ? "th" : "td", {
                scope: index === 0 ? "row" : undefined,
                class: classOf(column),
                dir: column.numeric ? undefined : "auto",
            }),
        );
        return { element: el("tr", {}, ...cells), cells, texts: [] };
    }

    private writeLine(line: Line, row: Row, place: number): void {
        const index = String(place + 2);
        if (line.element.ariaRowIndex !== index) line.element.ariaRowIndex = index;
        this.options.columns.forEach((column, number) => {
            const cell = line.cells[number] as HTMLTableCellElement;
            const text = column.show ? column.show(row) : String(column.value(row));
            if (line.texts[number] !== text) {
                line.texts[number] = text;
                cell.textContent = text;
                // In a window lines are cut at the end of their cell.
                if (column.wide) cell.title = this.many ? text : "";
            }
            const tone = column.tone ? `${classOf(column)} ${column.tone(row)}` : cell.className;
            if (cell.className !== tone) cell.className = tone;
        });
    }
}
