/* File: File API 4. */
import { test, eq, ok, throws, run } from "./tap.js";

test("a file is a blob with a name and a time", async () => {
    const before = Date.now();
    const file = new File(["a", "bc"], "x/y.txt", { type: "Text/Plain" });
    ok(file instanceof Blob);
    eq([file.name, file.type, file.size, await file.text()],
        ["x/y.txt", "text/plain", 3, "abc"]);
    ok(file.lastModified >= before && file.lastModified <= Date.now());
    eq(new File([], "", { lastModified: 7.9 }).lastModified, 7);
});

test("it needs parts and a name", () => {
    throws(() => new File(), TypeError);
    throws(() => new File([]), TypeError);
    throws(() => new File("abc", "name"), TypeError);
    throws(() => File([], "name"), TypeError);
});

test("arguments are converted in their order", () => {
    const seen = [];
    const see = (name, value) => ({ toString() {
        seen.push(name);
        return value;
    } });
    new File([see("part", "a")], see("name", "n"), {
        get type() { seen.push("type"); },
        get endings() { seen.push("endings"); },
        get lastModified() { seen.push("lastModified"); }
    });
    eq(seen, ["part", "name", "endings", "type", "lastModified"]);
});

test("a slice of a file is a blob", async () => {
    const part = new File(["abc"], "n").slice(1);
    ok(!(part instanceof File) && part instanceof Blob);
    eq(await part.text(), "bc");
});

test("a clone is a File with all it has", async () => {
    const file = new File(["abc"], "n", { type: "a/b", lastModified: 5 });
    for (const copy of [structuredClone(file),
        structuredClone({ in: [file] }).in[0]]) {
        ok(copy !== file && copy instanceof File);
        eq([copy.name, copy.type, copy.lastModified, await copy.text()],
            ["n", "a/b", 5, "abc"]);
    }
    ok(!(structuredClone(new Blob(["a"])) instanceof File));
});

test("members are those of the standard", () => {
    eq(Object.prototype.toString.call(new File([], "")), "[object File]");
    eq(Object.keys(File.prototype), ["name", "lastModified"]);
    eq(File.length, 2);
    eq(Object.getPrototypeOf(File), Blob);
    throws(() => File.prototype.name, TypeError);
    throws(() => Reflect.get(File.prototype, "name", new Blob()), TypeError);
});

export default { fetch: () => run() };
