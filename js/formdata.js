/*
 * formdata.js - FormData (XHR 4) and how a form is a body (HTML 4.10.21.8,
 * Fetch 5.3).
 *
 *   extractForm(v) -> [bytes, type], or undefined when v is no FormData
 *   newFormReader(type)    type: the body's MIME type as text; push(bytes)
 *       for each piece, which nobody changes any more: files keep it;
 *       end() -> FormData. All three throw what is wrong, a TypeError.
 */
const { toUSVString, isObject, requireArgs, expose, mixinIterable } =
    use("webidl");
const { concat } = use("streams");
const { isBlob, blobChunks, blobType } = use("blob");
const { isFile, fileName, newFile } = use("file");
const { parseMime } = use("data_url");
const { Multipart, textOf } = use("multipart");

let entriesOf, isForm, newForm;

// "create an entry"
function toEntry(name, value, fileName) {
    if (!isBlob(value))
        return [name, value];
    if (fileName !== undefined)
        return [name, newFile(value, fileName)];
    return [name, isFile(value) ? value : newFile(value, "blob")];
}

// append(name, value) or append(name, blobValue, filename)
function toArgs(args, what) {
    requireArgs(args.length, 2, what);
    const name = toUSVString(args[0]), value = args[1];
    if (args.length > 2 && !isBlob(value))
        throw new TypeError(`${what}: a value with a filename must be a Blob`);
    if (!isBlob(value))
        return toEntry(name, toUSVString(value));
    return toEntry(name, value,
        args[2] === undefined ? undefined : toUSVString(args[2]));
}

class FormData {
    #entries = [];
    constructor(form = undefined, submitter = undefined) {
        if (form !== undefined)
            throw new TypeError("FormData: there are no form elements here");
        if (submitter !== undefined && submitter !== null)
            throw new TypeError("FormData: submitter is not an HTMLElement");
    }
    append(name, value, filename = undefined) {
        this.#entries.push(toArgs(arguments, "FormData.append"));
    }
    delete(name) {
        this.#entries;
        requireArgs(arguments.length, 1, "FormData.delete");
        name = toUSVString(name);
        this.#entries = this.#entries.filter((entry) => entry[0] !== name);
    }
    get(name) {
        const entries = this.#entries;
        requireArgs(arguments.length, 1, "FormData.get");
        name = toUSVString(name);
        for (let i = 0; i < entries.length; i++)
            if (entries[i][0] === name)
                return entries[i][1];
        return null;
    }
    getAll(name) {
        const entries = this.#entries, values = [];
        requireArgs(arguments.length, 1, "FormData.getAll");
        name = toUSVString(name);
        for (let i = 0; i < entries.length; i++)
            if (entries[i][0] === name)
                values.push(entries[i][1]);
        return values;
    }
    has(name) {
        const entries = this.#entries;
        requireArgs(arguments.length, 1, "FormData.has");
        name = toUSVString(name);
        return entries.some((entry) => entry[0] === name);
    }
    set(name, value, filename = undefined) {
        this.#entries;
        const made = toArgs(arguments, "FormData.set");
        let done = false;
        this.#entries = this.#entries.filter((entry) => {
            if (entry[0] !== made[0])
                return true;
            if (done)
                return false;
            entry[1] = made[1];
            return done = true;
        });
        if (!done)
            this.#entries.push(made);
    }
    static {
        entriesOf = (form) => form.#entries;
        newForm = (entries) => {
            const form = new FormData();
            form.#entries = entries;
            return form;
        };
        isForm = (v) => isObject(v) && #entries in v;
    }
}
expose(FormData, "FormData");
mixinIterable(FormData, "FormData", (form) => entriesOf(form));

/* ---- to bytes ---------------------------------------------------------- */

const toLines = (text) => text.replace(/\r\n?|\n/g, "\r\n");
const ESCAPES = { "\n": "%0A", "\r": "%0D", '"': "%22" };
const quote = (text) => `"${text.replace(/[\n\r"]/g, (c) => ESCAPES[c])}"`;

// 144 bits of chance: no file holds it
function makeBoundary() {
    const bytes = new Uint8Array(18);
    native.randomFill(bytes);
    const text = native.base64Encode(String.fromCharCode(...bytes));
    return `----formdata-${text.replace(/[+/]/g, "x")}`;
}

// HTML 4.10.21.8 "multipart/form-data encoding algorithm"
function extractForm(v) {
    if (!isForm(v))
        return undefined;
    const boundary = makeBoundary(), chunks = [];
    let text = "", size = 0;
    const add = (bytes) => {
        chunks.push(bytes);
        size += bytes.length;
    };
    for (const [name, value] of entriesOf(v)) {
        text += `--${boundary}\r\nContent-Disposition: form-data; ` +
            `name=${quote(toLines(name))}`;
        if (typeof value === "string") {
            text += `\r\n\r\n${toLines(value)}\r\n`;
            continue;
        }
        text += `; filename=${quote(fileName(value))}\r\nContent-Type: ` +
            `${blobType(value) || "application/octet-stream"}\r\n\r\n`;
        add(native.textEncode(text));
        blobChunks(value).forEach(add);
        text = "\r\n";
    }
    add(native.textEncode(`${text}--${boundary}--\r\n`));
    return [concat(chunks, size), `multipart/form-data; boundary=${boundary}`];
}

/* ---- from bytes: Fetch 5.3, formData() --------------------------------- */

class UrlEncoded {
    #chunks = [];
    #size = 0;
    push(bytes) {
        this.#chunks.push(bytes);
        this.#size += bytes.length;
    }
    end() {
        const flat = native.urlParams(
            `?${textOf(concat(this.#chunks, this.#size))}`), entries = [];
        for (let i = 0; i < flat.length; i += 2)
            entries.push([flat[i], flat[i + 1]]);
        return entries;
    }
}

function newFormReader(type) {
    const mime = parseMime(type);
    let parser;
    if (mime !== null && mime[0] === "multipart/form-data")
        parser = new Multipart(mime[1].get("boundary"));
    else if (mime !== null && mime[0] === "application/x-www-form-urlencoded")
        parser = new UrlEncoded();
    else
        throw new TypeError("formData: the body's Content-Type is " +
            `${type === "" ? "missing" : JSON.stringify(type)}, not a form's`);
    return {
        push: (bytes) => parser.push(bytes),
        end: () => newForm(parser.end())
    };
}

return { FormData, extractForm, newFormReader };
