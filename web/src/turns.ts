// Drawing that may wait: one chart in each frame, so that scrolling never stutters.

const waiting = new Map<object, () => void>();

/** In one of the next frames, in turn. Who waits already waits on, and does what was said last. */
export function soon(who: object, draw: () => void): void {
    if (waiting.size === 0) requestAnimationFrame(work);
    waiting.set(who, draw);
}

/** One: what is drawn costs as much again when it is painted, which no clock in here sees. */
function work(): void {
    const [next] = waiting;
    if (next === undefined) return;
    const [who, draw] = next;
    waiting.delete(who);
    if (waiting.size > 0) requestAnimationFrame(work);
    draw();
}
