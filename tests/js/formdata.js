/* FormData (XHR 4) and forms as bodies (Fetch 5.3, RFC 7578). */
import { test, eq, ok, throws, rejects, run } from "./tap.js";

const TYPE = "multipart/form-data; boundary=b";
const body = (...lines) => lines.join("\r\n");
const parse = (text, type = TYPE) => new Response(text,
    { headers: { "content-type": type } }).formData();

// by pieces of n bytes
const pieces = (text, n) => {
    const bytes = new TextEncoder().encode(text);
    let at = 0;
    return new ReadableStream({
        pull(controller) {
            if (at >= bytes.length)
                controller.close();
            else
                controller.enqueue(bytes.subarray(at, at += n));
        }
    });
};

const show = async (form) => {
    const list = [];
    for (const [name, value] of form)
        list.push(typeof value === "string" ? `${name}=${value}`
            : `${name}=${value.name}:${value.type}:${await value.text()}`);
    return list.join(" ");
};

const SAMPLE = body("--b", 'Content-Disposition: form-data; name="a"', "",
    "1", "--b", 'content-disposition: form-data; name="f"; filename="x.txt"',
    "Content-Type: text/html", "", "line\r\n--\r\n--a\r\n", "--b",
    'Content-Disposition: form-data; name=""', "", "", "--b--", "");
const SAMPLE_SHOWN = "a=1 f=x.txt:text/html:line\r\n--\r\n--a\r\n =";

test("entries are kept in order, a name may have many", () => {
    const form = new FormData();
    form.append("a", 1);
    form.append("b", "2");
    form.append("a", "3");
    eq([...form], [["a", "1"], ["b", "2"], ["a", "3"]]);
    eq([form.get("a"), form.get("c"), form.has("b")], ["1", null, true]);
    eq(form.getAll("a"), ["1", "3"]);
    form.set("a", "4");
    form.set("c", "5");
    eq([...form.keys()], ["a", "b", "c"]);
    form.delete("a");
    eq([...form.values()], ["2", "5"]);
});

test("a blob becomes a file", async () => {
    const form = new FormData(), file = new File(["f"], "n",
        { type: "a/b", lastModified: 3 });
    form.append("a", new Blob(["x"], { type: "c/d" }));
    form.append("b", file);
    form.append("c", file, "other");
    eq(await show(form), "a=blob:c/d:x b=n:a/b:f c=other:a/b:f");
    ok(form.get("a") instanceof File);
    eq(form.get("b"), file);
    eq(form.get("c").lastModified, 3);
});

test("wrong arguments are a TypeError", () => {
    const form = new FormData();
    throws(() => form.append("a"), TypeError);
    throws(() => form.append("a", "b", "c"), TypeError);
    throws(() => form.set("a", {}, "c"), TypeError);
    throws(() => new FormData({}), TypeError);
    throws(() => new FormData(null), TypeError);
    throws(() => FormData(), TypeError);
    throws(() => FormData.prototype.get.call({}, "a"), TypeError);
});

test("members are those of the standard", () => {
    eq(Object.prototype.toString.call(new FormData()), "[object FormData]");
    eq(Object.keys(FormData.prototype).sort(), ["append", "delete",
        "entries", "forEach", "get", "getAll", "has", "keys", "set",
        "values"]);
    eq([FormData.length, FormData.prototype.append.length], [0, 2]);
});

test("a form is a multipart body", async () => {
    const form = new FormData();
    form.append('a"\r', "x\ny");
    form.append("f", new File(["\u00e9"], '1"\n\u20ac'));
    const request = new Request("http://a/", { method: "POST", body: form });
    const [, boundary] = /^multipart\/form-data; boundary=([\w-]{27,70})$/
        .exec(request.headers.get("content-type"));
    eq(await request.text(), body(`--${boundary}`,
        'Content-Disposition: form-data; name="a%22%0D%0A"', "", "x\r\ny",
        `--${boundary}`, 'Content-Disposition: form-data; name="f"; ' +
        'filename="1%22%0A\u20ac"', "Content-Type: application/octet-stream",
        "", "\u00e9", `--${boundary}--`, ""));
    const other = new Response(form).headers.get("content-type");
    ok(!other.endsWith(boundary), "a boundary is used once");
});

test("a form survives being sent", async () => {
    const form = new FormData(), bytes = new Uint8Array(200000);
    for (let i = 0; i < bytes.length; i++)
        bytes[i] = i * i >> 3;
    form.append("\u20ac", "\ufeff\u00e9");
    form.append("f", new File([bytes], "n\"", { type: "a/b" }));
    form.append("empty", new Blob());
    const back = await new Response(form).formData();
    eq([back.get("\u20ac"), back.get("f").name, back.get("f").type],
        ["\ufeff\u00e9", "n\"", "a/b"]);
    eq([...await back.get("f").bytes()], [...bytes]);
    eq([back.get("empty").size, back.get("empty").name], [0, "blob"]);
    eq([...await new Response(new FormData()).formData()], []);
});

test("a body is parsed whole and in pieces alike", async () => {
    eq(await show(await parse(SAMPLE)), SAMPLE_SHOWN);
    for (let n = 1; n <= 20; n++)
        eq(await show(await parse(pieces(SAMPLE, n))), SAMPLE_SHOWN,
            `by ${n}`);
});

test("a file is not changed by who sent it", async () => {
    const bytes = new TextEncoder().encode(SAMPLE);
    const form = await parse(new ReadableStream({ start(controller) {
        controller.enqueue(bytes);
        controller.close();
    } }));
    bytes.fill(0);
    eq(await show(form), SAMPLE_SHOWN);
});

test("what other programs write is understood", async () => {
    const one = (head, value = "v") => parse(body("--b", ...head, "", value,
        "--b--"));
    eq(await show(await one(["X-Other: 1",
        "Content-Disposition:form-data ; filename=f.txt;name = n"
            .replace("name = n", "name=n")])), "n=f.txt:text/plain:v");
    eq(await show(await one([
        'Content-Disposition: form-data; name="%41%22%0d%0A"'])),
        'n=v'.replace("n", '%41"\r\n'));
    eq(await show(await one([
        "Content-Disposition: form-data; name=\"n\"; filename*=UTF-8''x"])),
        "n=v");
    eq((await one(['Content-Disposition: form-data; name="n"; filename=""',
        "Content-Type: caf\u00e9"])).get("n").type, "");
    eq(await show(await parse(`\r\n${SAMPLE}\r\n`)), SAMPLE_SHOWN);
    eq(await show(await parse(SAMPLE.replaceAll("--b", "--a b'"),
        "multipart/form-data; charset=utf-8; boundary=\"a b'\"")),
        SAMPLE_SHOWN);
});

const NAMED = 'Content-Disposition: form-data; name="a"';
const wrong = [
    ["nothing", ""],
    ["no boundary in it", "abc"],
    ["a preamble", `x\r\n${SAMPLE}`],
    ["another boundary", SAMPLE.replaceAll("--b", "--c")],
    ["no end", SAMPLE.replace("--b--", "")],
    ["an end without dashes", SAMPLE.replace("--b--", "--b")],
    ["an end that was cut", SAMPLE.slice(0, -3)],
    ["something after the end", `${SAMPLE}x`],
    ["something after a boundary", SAMPLE.replace("--b\r\n", "--b x\r\n")],
    ["a bare line feed", SAMPLE.replaceAll("\r\n", "\n")],
    ["no header fields", body("--b", "", "v", "--b--")],
    ["no Content-Disposition", body("--b", "A: b", "", "v", "--b--")],
    ["two of them", body("--b", NAMED, NAMED, "", "v", "--b--")],
    ["an attachment", body("--b", NAMED.replace("form-data", "attachment"),
        "", "v", "--b--")],
    ["form-data2", body("--b", NAMED.replace("form-data", "form-data2"),
        "", "v", "--b--")],
    ["no name", body("--b", "Content-Disposition: form-data", "", "v",
        "--b--")],
    ["two names", body("--b", `${NAMED}; name="b"`, "", "v", "--b--")],
    ["a quote in a name", body("--b", `${NAMED}b"`, "", "v", "--b--")],
    ["a field without a colon", body("--b", NAMED, "x", "", "v", "--b--")],
    ["a folded field", body("--b", NAMED, " x: y", "", "v", "--b--")],
    ["a long head", body("--b", NAMED, `X: ${"x".repeat(20000)}`, "", "v",
        "--b--")],
    ["a head without end", body("--b", NAMED, "x".repeat(20000))],
    ["too many parts", body("--b", NAMED, "", "v").concat("\r\n")
        .repeat(1001) + "--b--"]
];
for (const [what, text] of wrong)
    test(`a body with ${what} is a TypeError`, async () => {
        const whole = await rejects(parse(text), TypeError);
        ok(/^formData: /.test(whole.message), whole.message);
        const slowly = await rejects(parse(pieces(text, 1000)), TypeError);
        eq(slowly.message, whole.message);
    });

test("as many parts as allowed are read", async () => {
    const form = await parse(body("--b", NAMED, "", "v").concat("\r\n")
        .repeat(1000) + "--b--");
    eq(form.getAll("a").length, 1000);
});

test("a type that is no form's is a TypeError", async () => {
    for (const type of ["text/plain", "multipart/form-data",
        "multipart/form-data; boundary=\"\"", "multipart/mixed; boundary=b",
        `multipart/form-data; boundary=${"b".repeat(71)}`])
        await rejects(parse(SAMPLE, type), TypeError);
    const bare = new Response(new TextEncoder().encode(SAMPLE));
    await rejects(bare.formData(), TypeError);
    await rejects(new Response().formData(), TypeError);
});

test("a urlencoded form is read", async () => {
    const type = "application/x-www-form-urlencoded";
    eq([...await parse("a=1&b=%E2%82%AC+%26&a=&=x&&c", type)],
        [["a", "1"], ["b", "\u20ac &"], ["a", ""], ["", "x"], ["c", ""]]);
    eq([...await parse(pieces("\ufeffa=\u00e9&b=%FF", 1), `${type};x=y`)],
        [["\ufeffa", "\u00e9"], ["b", "\ufffd"]]);
    eq([...await parse("", type)], []);
    eq([...await new Response(new URLSearchParams({ a: "b" })).formData()],
        [["a", "b"]]);
});

test("content that nearly ends does not cost its square", async () => {
    const near = `\r\n--${"b".repeat(69)}`.repeat(20000);
    const form = await parse(body(`--${"b".repeat(70)}`, NAMED, "", near,
        `--${"b".repeat(70)}--`),
        `multipart/form-data; boundary=${"b".repeat(70)}`);
    eq(form.get("a").length, near.length);
});

export default { fetch: () => run() };
