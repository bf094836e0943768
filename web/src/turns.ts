// Work that may wait: one piece of it in each frame, so that scrolling never stutters.

const waiting = new Map<object, () => void>();

/** In one of the next frames, in turn. What waits already waits on, and does what was said last. */
export function soon(what: object, act: () => void): void {
    if (waiting.size === 0) requestAnimationFrame(work);
    waiting.set(what, act);
}

/** One: what a piece draws costs as much again when it is painted, and no clock in here sees that. */
function work(): void {
    for (const [what, act] of waiting) {
        waiting.delete(what);
        act();
        break;
    }
    if (waiting.size > 0) requestAnimationFrame(work);
}
