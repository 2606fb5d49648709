/*
 * api.js - the work that bench/api times, the same text in snapcgi and in
 * Node. A case is what one turn does, and how often it is done in a sample.
 */
const text = "The quick brown fox jumps over the lazy dog, \u00e9t\u00e9 \u4e16. "
    .repeat(1400).slice(0, 64 * 1024);
const ascii = "The quick brown fox jumps over the lazy dog. ".repeat(1500)
    .slice(0, 64 * 1024);
const bytes = new TextEncoder().encode(text);
const asciiBytes = new TextEncoder().encode(ascii);
const megabyte = new Uint8Array(1 << 20).map((_, i) => (i * i >> 7) % 61);
const chunk = new Uint8Array(64 * 1024);
const record = {
    id: 12345, name: "snapcgi", tags: ["a", "b", "c"],
    nested: { list: Array.from({ length: 50 }, (_, i) => ({ i, s: `n${i}` })) }
};
const json = JSON.stringify(record);
const encoder = new TextEncoder(), decoder = new TextDecoder();

async function through() {
    let left = 160; // 10 MB
    const source = new ReadableStream({
        pull(controller) {
            if (left-- > 0)
                controller.enqueue(chunk);
            else
                controller.close();
        }
    });
    const reader = source.pipeThrough(new TransformStream({
        transform(piece, controller) { controller.enqueue(piece); }
    })).getReader();
    let size = 0;
    for (;;) {
        const { done, value } = await reader.read();
        if (done)
            return size;
        size += value.length;
    }
}

async function gzip() {
    const stream = new Blob([megabyte]).stream()
        .pipeThrough(new CompressionStream("gzip"));
    return (await new Response(stream).arrayBuffer()).byteLength;
}

export const cases = [
    ["URL parse", 2000, () =>
        new URL("../b/c?x=1&y=%20#f", "https://user@example.org:8080/a/").href],
    ["Headers build and read", 2000, () => {
        const h = new Headers({
            "content-type": "text/html", "x-one": "1", "cache-control": "no-store",
            accept: "*/*", "user-agent": "bench", etag: '"abc"'
        });
        h.append("vary", "accept");
        h.set("x-two", "2");
        return h.get("Content-Type") + h.has("etag") + [...h].length;
    }],
    ["JSON request and reply", 500, async () => {
        const request = new Request("http://example.org/", {
            method: "POST", body: json,
            headers: { "content-type": "application/json" }
        });
        const response = Response.json(await request.json());
        return (await response.text()).length;
    }],
    ["text encode 64 KB", 200, () => encoder.encode(text).length],
    ["text decode 64 KB", 200, () => decoder.decode(bytes).length],
    ["text encode 64 KB ASCII", 400, () => encoder.encode(ascii).length],
    ["text decode 64 KB ASCII", 400, () => decoder.decode(asciiBytes).length],
    ["SHA-256 of 1 MB", 10, async () =>
        (await crypto.subtle.digest("SHA-256", megabyte)).byteLength],
    ["10 MB through TransformStream", 2, through],
    ["gzip 1 MB", 2, gzip]
];

/* One sample of each: [name, microseconds a turn]. */
export async function sample() {
    const list = [];
    for (const [name, turns, run] of cases) {
        await run();
        const start = performance.now();
        for (let i = 0; i < turns; i++) {
            const result = run();
            if (result instanceof Promise)
                await result;
        }
        list.push([name, (performance.now() - start) * 1000 / turns]);
    }
    return list;
}

/* As a function, for snapcgi; run by Node it prints. */
export default {
    fetch: async () => Response.json(await sample())
};
