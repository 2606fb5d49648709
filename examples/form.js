// A form, and what was sent with it. GET shows the form, POST reads it.
const escape = (text) => text.replace(/[&<>"']/g,
    (c) => `&#${c.charCodeAt(0)};`);

const page = (content, status = 200) => new Response(
    `<!doctype html><meta charset="utf-8"><title>Form</title>${content}\n`,
    { status, headers: { "content-type": "text/html; charset=utf-8" } });

const form = `<form method="post">
    <label>Name <input name="name" required></label>
    <label>Word <input name="word"></label>
    <button>Send</button>
</form>`;

export default {
    async fetch(request) {
        if (request.method === "GET" || request.method === "HEAD") {
            return page(form);
        }
        if (request.method !== "POST") {
            return new Response(null, {
                status: 405,
                headers: { allow: "GET, HEAD, POST" },
            });
        }
        let fields;
        try {
            fields = await request.formData();
        } catch {
            return page("<p>Send this as a form.</p>", 415);
        }
        const rows = [...fields].map(([name, value]) =>
            `<dt>${escape(name)}</dt><dd>${escape(typeof value === "string"
                ? value : `${value.name}, ${value.size} bytes`)}</dd>`);
        return page(`<dl>${rows.join("")}</dl>`);
    },
};
