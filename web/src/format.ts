// Numbers with units, as people read them; the same rules as python/loadgen/units.py.
import type { Milliseconds } from "./feed";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const count = (value: number): string => whole.format(value);

/** On an axis: there is no half of a connection, and 0.5 is not to be called 1. */
export const wholeOnly = (value: number): string => (Number.isInteger(value) ? count(value) : "");
export const counted = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

function threeDigits(value: number): string {
    if (value === 0) return "0";
    return value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);
}

export function milliseconds(value: Milliseconds | undefined): string {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    if (value === "inf" || value === Infinity) return "∞";
    if (value < 0.0009995) return `${threeDigits(value * 1e6)} ns`;
    if (value < 0.9995) return `${threeDigits(value * 1e3)} µs`;
    if (value < 999.5) return `${threeDigits(value)} ms`;
    return `${threeDigits(value / 1e3)} s`;
}

export function rate(perSecond: number): string {
    if (perSecond >= 100 || perSecond === 0) return `${count(perSecond)}/s`;
    if (perSecond >= 1) return `${Number(perSecond.toPrecision(3))}/s`;
    if (perSecond * 60 >= 1) return `${Number((perSecond * 60).toPrecision(3))}/m`;
    return `${Number((perSecond * 3600).toPrecision(3))}/h`;
}

/** The same where several stand together, as on an axis. */
export const perSecond = (value: number): string => `${value >= 100 ? count(value) : Number(value.toPrecision(3))}/s`;

export function bytes(value: number): string {
    for (const unit of ["B", "kB", "MB", "GB"]) {
        if (value < 999.5) return unit === "B" ? `${Math.round(value)} B` : `${threeDigits(value)} ${unit}`;
        value /= 1000;
    }
    return `${threeDigits(value)} TB`;
}

export function percent(share: number): string {
    const value = share * 100;
    if (value === 0 || value === 100) return `${value} %`;
    if (value < 0.01) return "< 0.01 %";
    if (value >= 99.5) return `${Math.floor(value * 100) / 100} %`;
    return `${Number(value.toPrecision(2))} %`;
}

export function plain(value: number): string {
    if (!Number.isFinite(value)) return "∞";
    return Number.isInteger(value) || Math.abs(value) >= 1000 ? count(value) : String(Number(value.toPrecision(4)));
}

/** A length of time: `34 s`, `1m 30s`, `2h 05m`. */
export function duration(seconds: number): string {
    if (seconds < 60) return `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))} s`;
    const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds % 60)];
    if (hours) return `${hours}h ${String(minutes).padStart(2, "0")}m`;
    return rest ? `${minutes}m ${String(rest).padStart(2, "0")}s` : `${minutes}m`;
}

/** A point in the run: `0:34`, `1:02:05`; below a few seconds with tenths. */
export function clock(seconds: number, tenths = false): string {
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    const rest = tenths ? (seconds % 60).toFixed(1).padStart(4, "0") : String(Math.floor(seconds % 60)).padStart(2, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}
