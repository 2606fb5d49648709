/*
 * data_url.js - data: URLs (Fetch 6) and the MIME types they and bodies have
 * (MIME Sniffing 4.4 and 4.5).
 *
 *   parseMime(text) -> [essence, Map of parameters] or null
 *   mimeText(essence, parameters)
 *   extractMime(field)    Fetch 2.2.2 "extract a MIME type", as text; ""
 *       when there is none. field: all values of Content-Type, or null
 *   dataUrl(href) -> [type, bytes] or null
 */
const { isToken } = use("headers");

// HTTP whitespace. A regular expression looks at each blank again and again.
const isBlank = (c) => c === 32 || c === 9 || c === 10 || c === 13;
function trimEnd(s) {
    let n = s.length;
    while (n > 0 && isBlank(s.charCodeAt(n - 1)))
        n--;
    return s.slice(0, n);
}
function trim(s) {
    let from = 0;
    while (isBlank(s.charCodeAt(from)))
        from++;
    return trimEnd(s.slice(from));
}

// "collect an HTTP quoted string"; at: the quote. [value, after it]
function unquote(text, at) {
    let value = "";
    for (at++; at < text.length && text[at] !== '"'; at++) {
        if (text[at] === "\\" && at + 1 < text.length)
            at++;
        value += text[at];
    }
    return [value, at];
}

function parseMime(text) {
    text = trim(text);
    const slash = text.indexOf("/"), semi = text.indexOf(";");
    const stop = semi < 0 ? text.length : semi;
    if (slash < 0 || slash > stop)
        return null;
    const type = text.slice(0, slash);
    const sub = trimEnd(text.slice(slash + 1, stop));
    if (!isToken(type) || !isToken(sub))
        return null;
    const params = new Map();
    for (let at = stop; at < text.length;) {
        const name = /^[\t\n\r ]*([^;=]*)/.exec(text.slice(at + 1));
        at += 1 + name[0].length;
        if (text[at] !== "=")
            continue;
        let value;
        if (text[at + 1] === '"') {
            [value, at] = unquote(text, at + 1);
            at = text.indexOf(";", at);
            at = at < 0 ? text.length : at;
        } else {
            const end = text.indexOf(";", at);
            value = trimEnd(text.slice(at + 1, end < 0 ? text.length : end));
            at = end < 0 ? text.length : end;
            if (value === "")
                continue;
        }
        const key = name[1].toLowerCase();
        if (isToken(key) && !params.has(key) &&
            /^[\t -~\x80-\xFF]*$/.test(value))
            params.set(key, value);
    }
    return [`${type}/${sub}`.toLowerCase(), params];
}

function mimeText(essence, params) {
    let text = essence;
    for (const [name, value] of params)
        text += `;${name}=${isToken(value) ? value
            : `"${value.replace(/["\\]/g, "\\$&")}"`}`;
    return text;
}

// commas outside quotes part the values of a combined field
const splitValues = (field) =>
    field.match(/(?:[^,"]|"(?:[^"\\]|\\[^])*"?)+/g) ?? [];

function extractMime(field) {
    let essence = null, params = null, charset;
    for (const value of field === null ? [] : splitValues(field)) {
        const mime = parseMime(value);
        if (mime === null || mime[0] === "*/*")
            continue;
        params = mime[1];
        if (mime[0] !== essence) {
            charset = params.get("charset");
            essence = mime[0];
        } else if (!params.has("charset") && charset !== undefined) {
            params.set("charset", charset);
        }
    }
    return essence === null ? "" : mimeText(essence, params);
}

// each character is a byte
function toBytes(text) {
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++)
        bytes[i] = text.charCodeAt(i);
    return bytes;
}

// href: a URL's, so all characters are ASCII
function dataUrl(href) {
    const text = href.replace(/#.*$/, "").slice("data:".length);
    const comma = text.indexOf(",");
    if (comma < 0)
        return null;
    let type = trim(text.slice(0, comma));
    let body = text.slice(comma + 1).replace(/%([0-9a-f]{2})/gi,
        (all, hex) => String.fromCharCode(parseInt(hex, 16)));
    const base64 = /; *base64$/i.exec(type);
    if (base64 !== null) {
        body = native.base64Decode(body);
        if (typeof body !== "string")
            return null;
        type = type.slice(0, base64.index);
    }
    if (type[0] === ";")
        type = `text/plain${type}`;
    const mime = parseMime(type);
    return [mime === null ? "text/plain;charset=US-ASCII"
        : mimeText(mime[0], mime[1]), toBytes(body)];
}

return { parseMime, mimeText, extractMime, dataUrl };
