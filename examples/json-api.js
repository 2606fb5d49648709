// A small JSON API. The list lives as long as the process keeps this module:
// with "reset = none", else each request finds the first two again.
const notes = new Map([[1, "buy milk"], [2, "sleep"]]);
let last = 2;

const json = (value, status = 200, headers = {}) => new Response(
    value === undefined ? null : JSON.stringify(value) + "\n",
    { status, headers: { "content-type": "application/json", ...headers } });

async function readText(request) {
    const { text } = await request.json();
    if (typeof text !== "string" || text === "") throw new TypeError("no text");
    return text;
}

export default {
    async fetch(request) {
        const url = new URL(request.url);
        const id = url.searchParams.get("id");
        if (id !== null && !notes.has(Number(id))) {
            return json({ error: "no such note" }, 404);
        }
        switch (request.method) {
        case "GET":
            return json(id === null
                ? [...notes].map(([id, text]) => ({ id, text }))
                : { id: Number(id), text: notes.get(Number(id)) });
        case "POST":
            try {
                notes.set(++last, await readText(request));
            } catch (error) {
                return json({ error: error.message }, 400);
            }
            url.searchParams.set("id", last);
            return json({ id: last }, 201, { location: url.href });
        case "DELETE":
            if (id === null) return json({ error: "which one?" }, 400);
            notes.delete(Number(id));
            return new Response(null, { status: 204 });
        default:
            return json({ error: "not this method" }, 405,
                { allow: "GET, POST, DELETE" });
        }
    },
};
