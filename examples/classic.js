// The form with an event listener, and work that goes on after the reply.
addEventListener("fetch", (event) => {
    const start = performance.now();
    event.waitUntil(new Promise((done) => setTimeout(done, 100)).then(() => {
        console.log("%s took %d ms in all", event.request.url,
            Math.round(performance.now() - start));
    }));
    event.respondWith(new Response("Replied; the log gets a line later.\n"));
});
