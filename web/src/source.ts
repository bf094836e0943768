// Where the feed comes from: out of this very file, or live from the server that gave us the page.
import type { Feed } from "./feed";
import type { Run } from "./run";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
const MOST_TRIES = 8;

export async function feedInto(run: Run): Promise<void> {
    const inside = document.getElementById("feed");
    if (inside === null) return follow(run, 0);
    run.connect("embedded");
    run.add(await unpack(inside.textContent ?? ""));
    inside.remove();
}

async function unpack(text: string): Promise<Feed> {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return (await new Response(stream).json()) as Feed;
}

function follow(run: Run, tries: number): void {
    // The same address with everything behind it: the token is there.
    const address = new URL(`feed${location.search}`, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    let heard = false;
    socket.onmessage = (message: MessageEvent<string>) => {
        if (!heard) run.restart();
        heard = true;
        run.send = (order) => socket.send(JSON.stringify(order));
        run.connect("live");
        run.add(JSON.parse(message.data) as Feed);
    };
    socket.onclose = () => {
        run.send = null;
        const done = heard ? 0 : tries + 1;
        const ended = run.result !== null || done > MOST_TRIES;
        run.connect(run.result ? "over" : ended ? "gone" : "lost");
        if (!ended) setTimeout(() => follow(run, done), Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** done));
    };
}
