// No more points than a plot has columns of pixels: where there are more, neighbours give their lowest and highest.

type Values = readonly (number | null)[];

/** The place of a time, or of the first after it. */
export function placeOf(times: readonly number[], time: number): number {
    let [low, high] = [0, times.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        if ((times[middle] as number) < time) low = middle + 1;
        else high = middle;
    }
    return low;
}

/** The place of the time that is nearest. */
export function nearest(times: readonly number[], time: number): number {
    const after = Math.min(placeOf(times, time), times.length - 1);
    const before = Math.max(after - 1, 0);
    return time - (times[before] as number) < (times[after] as number) - time ? before : after;
}

/**
 * Times and values from one time to another, and a point beyond each, so that lines run to the edge.
 * Neighbours are joined by their places, not by where they are drawn: nothing shimmers while a run grows.
 */
export function thinned(times: readonly number[], all: Values[], [from, to]: [number, number], columns: number, isDrawn: (value: number) => boolean): [number[], ...(number | null)[][]] {
    const [first, end] = [placeOf(times, from) - 1, placeOf(times, to) + 1];
    const joined = end - first <= columns ? 1 : Math.ceil((end - first) / (columns / 2));
    const begin = Math.max(0, Math.floor(first / joined) * joined);
    const stop = Math.min(times.length, Math.ceil(end / joined) * joined);
    const drawn = (value: number | null | undefined): number | null => (value != null && isDrawn(value) ? value : null);
    if (joined === 1) return [times.slice(begin, stop), ...all.map((values) => values.slice(begin, stop).map(drawn))];
    const shown: number[] = [];
    for (let at = begin; at < stop; at += joined) shown.push(times[at] as number, times[Math.min(at + joined, stop) - 1] as number);
    return [shown, ...all.map((values) => extremes((place) => drawn(values[place]), begin, stop, joined))];
}

/** Of each group two, in the order in which they came. */
function extremes(valueAt: (place: number) => number | null, begin: number, stop: number, joined: number): (number | null)[] {
    const found: (number | null)[] = [];
    for (let at = begin; at < stop; at += joined) {
        let [low, high, rises]: [number | null, number | null, boolean] = [null, null, true];
        for (let place = at; place < Math.min(at + joined, stop); place++) {
            const value = valueAt(place);
            if (value === null) continue;
            if (low === null || value < low) [low, rises] = [value, false];
            if (high === null || value > high) [high, rises] = [value, true];
        }
        found.push(rises ? low : high, rises ? high : low);
    }
    return found;
}
