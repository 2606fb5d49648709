// A reply that is sent while it is made: one line each half second.
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export default {
    fetch(request) {
        const text = new TextEncoder();
        const count = Math.min(
            Number(new URL(request.url).searchParams.get("count") ?? 5), 60);
        let n = 0;
        const body = new ReadableStream({
            async pull(controller) {
                if (n >= count) return controller.close();
                if (n++ > 0) await pause(500);
                controller.enqueue(text.encode(`line ${n} of ${count}\n`));
            },
            cancel() {
                console.log("the reader went away after line", n);
            },
        });
        return new Response(body, {
            headers: { "content-type": "text/plain; charset=utf-8" },
        });
    },
};
