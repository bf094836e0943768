// A table that sorts by its heads and filters by a word. Rows that did not change are not touched.
import { el, setText } from "./dom";
import { count } from "./format";

export interface TableColumn<Row> {
    title: string;
    /** What is sorted by. */
    value: (row: Row) => string | number;
    /** What is shown, where it is not the value. */
    show?: (row: Row) => string;
    numeric?: boolean;
    /** Takes the room that is left. */
    wide?: boolean;
    /** A class for the cell, by its state. */
    tone?: (row: Row) => string;
}

export interface TableOptions<Row> {
    name: string;
    noun: string;
    columns: TableColumn<Row>[];
    key: (row: Row) => string | number;
    sort: { column: number; descending: boolean };
    filter?: (row: Row) => string;
}

/** Beyond these, rows are shown on demand. */
const FIRST_ROWS = 20;
/** Fewer are seen at a glance. */
const ENOUGH_TO_FILTER = 6;

interface Drawn {
    element: HTMLTableRowElement;
    cells: HTMLTableCellElement[];
}

function classOf<Row>(column: TableColumn<Row>): string {
    return column.numeric ? "number" : column.wide ? "wide" : "";
}

export class Table<Row> {
    readonly element: HTMLElement;
    private rows: Row[] = [];
    private readonly drawn = new Map<string | number, Drawn>();
    private readonly body = el("tbody");
    private readonly search: HTMLInputElement;
    private readonly tools: HTMLElement;
    private readonly shown = el("span", { class: "range", role: "status" });
    private readonly more: HTMLButtonElement;
    private readonly heads: HTMLTableCellElement[];
    private sort: { column: number; descending: boolean };
    private all = false;

    constructor(private readonly options: TableOptions<Row>) {
        this.sort = { ...options.sort };
        this.search = el("input", { type: "search", placeholder: "Filter", "aria-label": `Filter ${options.noun}s`, oninput: () => this.draw() });
        this.tools = el("div", { class: "tools" }, this.shown, this.search);
        this.more = el("button", { type: "button", class: "quiet", onclick: () => this.showAll() });
        this.heads = options.columns.map((column, index) =>
            el(
                "th",
                { scope: "col", class: classOf(column) },
                el("button", { type: "button", onclick: () => this.sortBy(index) }, column.title),
            ),
        );
        const table = el("table", {}, el("caption", { class: "heard" }, options.name), el("thead", {}, el("tr", {}, ...this.heads)), this.body);
        // In reach of the keyboard, because it may be wider than the screen.
        const frame = el("div", { class: "frame", tabindex: "0", role: "region", "aria-label": options.name }, table);
        this.element = el("div", { class: "table" }, this.tools, frame, this.more);
    }

    update(rows: Row[]): void {
        this.rows = rows;
        this.draw();
    }

    private showAll(): void {
        this.all = true;
        this.draw();
    }

    private sortBy(column: number): void {
        const numeric = this.options.columns[column]?.numeric ?? false;
        this.sort = { column, descending: this.sort.column === column ? !this.sort.descending : numeric };
        this.draw();
    }

    private draw(): void {
        const { columns, key, noun, filter } = this.options;
        const word = this.search.value.trim().toLowerCase();
        const found = word && filter ? this.rows.filter((row) => filter(row).toLowerCase().includes(word)) : this.rows;
        const sorted = this.sorted(found);
        const rows = this.all ? sorted : sorted.slice(0, FIRST_ROWS);
        this.heads.forEach((head, index) => {
            if (index !== this.sort.column) head.removeAttribute("aria-sort");
            else head.setAttribute("aria-sort", this.sort.descending ? "descending" : "ascending");
        });
        const elements = rows.map((row) => this.drawRow(row, columns, key(row)));
        elements.forEach((element, index) => {
            if (this.body.children[index] !== element) this.body.insertBefore(element, this.body.children[index] ?? null);
        });
        while (this.body.children.length > elements.length) this.body.lastElementChild?.remove();
        this.tools.hidden = !filter || this.rows.length < ENOUGH_TO_FILTER;
        setText(this.shown, found.length === this.rows.length ? `${count(found.length)} ${noun}s` : `${count(found.length)} of ${count(this.rows.length)} ${noun}s`);
        this.more.hidden = rows.length === sorted.length;
        setText(this.more, `Show all ${count(sorted.length)}`);
    }

    private sorted(rows: Row[]): Row[] {
        const column = this.options.columns[this.sort.column];
        if (!column) return rows;
        const direction = this.sort.descending ? -1 : 1;
        return [...rows].sort((a, b) => {
            const [one, other] = [column.value(a), column.value(b)];
            if (typeof one === "number" && typeof other === "number") return (one - other || 0) * direction;
            return String(one).localeCompare(String(other)) * direction;
        });
    }

    private drawRow(row: Row, columns: TableColumn<Row>[], key: string | number): HTMLTableRowElement {
        let drawn = this.drawn.get(key);
        if (!drawn) {
            const cells = columns.map((column, index) =>
                el(index === 0 ? "th" : "td", {
                    scope: index === 0 ? "row" : undefined,
                    class: classOf(column),
                    dir: column.numeric ? undefined : "auto",
                }),
            );
            drawn = { element: el("tr", {}, ...cells), cells };
            this.drawn.set(key, drawn);
        }
        columns.forEach((column, index) => {
            const cell = drawn.cells[index] as HTMLTableCellElement;
            setText(cell, column.show ? column.show(row) : String(column.value(row)));
            if (column.tone) cell.className = `${classOf(column)} ${column.tone(row)}`;
        });
        return drawn.element;
    }
}
