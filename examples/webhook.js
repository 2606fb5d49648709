// Takes a webhook whose body is signed with HMAC, and believes no other:
//   env[WEBHOOK_SECRET] = what the sender was told
//   X-Signature-256: sha256=0123456789abcdef...
const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [],
    (pair) => parseInt(pair, 16));

async function isSigned(body, signature, secret) {
    const hex = /^sha256=([0-9a-f]{64})$/i.exec(signature)?.[1];
    if (hex === undefined) return false;
    const key = await crypto.subtle.importKey("raw",
        new TextEncoder().encode(secret), { name: "HMAC", hash: "SHA-256" },
        false, ["verify"]);
    // takes as long for a wrong signature as for a right one
    return crypto.subtle.verify("HMAC", key, bytes(hex), body);
}

export default {
    async fetch(request, env) {
        if (request.method !== "POST") {
            return new Response(null, {
                status: 405,
                headers: { allow: "POST" },
            });
        }
        const body = await request.arrayBuffer();
        const signature = request.headers.get("x-signature-256") ?? "";
        if (!await isSigned(body, signature, env.WEBHOOK_SECRET)) {
            return new Response("The signature is wrong.\n", { status: 403 });
        }
        const event = JSON.parse(new TextDecoder().decode(body));
        console.log("webhook: %o", event);
        return new Response(null, { status: 204 });
    },
};
