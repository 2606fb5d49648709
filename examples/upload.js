// Takes a body of any length piece by piece and answers with what it saw:
//   curl --data-binary @FILE http://127.0.0.1:8080/upload.js
export default {
    async fetch(request) {
        if (request.body === null) {
            return new Response("Send a body, with POST or PUT.\n", {
                status: 400,
            });
        }
        let bytes = 0;
        let pieces = 0;
        let sum = 0x811c9dc5; // FNV-1a
        for await (const piece of request.body) {
            bytes += piece.length;
            pieces++;
            for (const byte of piece) {
                sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
            }
        }
        return new Response(JSON.stringify({
            bytes, pieces, fnv1a: sum.toString(16).padStart(8, "0"),
            type: request.headers.get("content-type"),
        }) + "\n", { headers: { "content-type": "application/json" } });
    },
};
