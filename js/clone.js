/*
 * clone.js - structuredClone (HTML 2.7.10), over V8's serializer.
 *
 * For other files:
 *   kinds      of platform objects that are copied: { has(o), serialize(o),
 *       deserialize(data) }. A later one is asked first, so a class comes
 *       after the class it extends.
 *   carriers   of those that are transferred: { has(o), isDetached(o),
 *       make() gives the object it becomes, move(from, to) }
 *   cloneWith(value, list)   [copy, what the objects of list became]
 *   transferOf(options)      the member transfer of StructuredSerializeOptions;
 *       toObject(v) is an item's conversion
 *
 * The copy is made at once, even of a message: nobody else can reach it, and
 * nothing in this process can keep it from being received.
 *
 * V8 meets a platform object by its internal field, from V8 12 on also by
 * asking (isForeign), and takes what copyObject() gives.
 */
const { checkGlobal, exposed, isObject, requireArgs, toDictionary,
    toSequence } = use("webidl");
const { domError, DOMExceptionSlots } = use("exception");
const { BlobSlots } = use("blob");

// the polyfill's classes are the platform's own
for (const Class of Object.values(use("streams_polyfill")))
    exposed.push({
        proto: Class.prototype, entriesOf: undefined, underscored: true
    });

const BUFFER = 7, PROXY = 11; // native.kindOf

const kinds = [DOMExceptionSlots, BlobSlots];
const carriers = [];
const refuse = (message) => domError("DataCloneError", message);

function copyObject(object, become) {
    const moved = become?.get(object);
    if (moved !== undefined)
        return moved[1];
    for (let i = kinds.length - 1; i >= 0; i--)
        if (kinds[i].has(object))
            return kinds[i].deserialize(kinds[i].serialize(object));
    throw refuse("The object could not be cloned.");
}

// An object of an interface that V8 would take for an ordinary one.
function isForeign(v) {
    for (let o = Reflect.getPrototypeOf(v);
        o !== null && native.kindOf(o) !== PROXY;
        o = Reflect.getPrototypeOf(o))
        if (exposed.some((r) => r.proto === o))
            return true;
    return false;
}

const isStrange = (v) => isObject(v) && native.kindOf(v) === 0 &&
    typeof v !== "function" && isForeign(v);

function carrierOf(object) {
    const find = () => carriers.find((one) => one.has(object));
    let carrier = find();
    if (carrier === undefined) {
        native.use("stream_transfer");
        carrier = find();
    }
    if (carrier === undefined)
        throw refuse("A value that cannot be transferred is in the " +
            "transfer list.");
    return carrier;
}

// 2.7.7 StructuredSerializeWithTransfer, step 2: Map of [carrier, new object]
function prepare(list) {
    const become = new Map();
    for (const object of list) {
        if (become.has(object))
            throw refuse("A value is in the transfer list twice.");
        if (native.kindOf(object) === BUFFER) {
            become.set(object, undefined);
        } else {
            const carrier = carrierOf(object);
            become.set(object, [carrier, carrier.make()]);
        }
    }
    return become;
}

// 2.7.7 step 5, for all but ArrayBuffers
function move(object, become) {
    const [carrier, made] = become.get(object);
    if (carrier.isDetached(object))
        throw refuse("A value in the transfer list was transferred before.");
    carrier.move(object, made);
}

function cloneWith(value, list) {
    const become = list.length === 0 ? undefined : prepare(list);
    const clone = (v) => native.clone(v, list, copyObject, refuse, isForeign,
        move, become);
    let copy;
    if (isStrange(value)) { // V8 10 would not know
        copy = copyObject(value, become);
        clone(undefined);
    } else {
        copy = clone(value);
    }
    return [copy, becameOf(become)];
}

const becameOf = (become) => become === undefined ? []
    : [...become.values()].filter((v) => v !== undefined).map((v) => v[1]);

function toObject(v) {
    if (!isObject(v))
        throw new TypeError("transfer: not an object");
    return v;
}

function transferOf(options) {
    const { transfer } = toDictionary(options, "options");
    return transfer === undefined ? []
        : toSequence(transfer, toObject, "transfer");
}

const operations = {
    structuredClone(value, options = undefined) {
        checkGlobal(this);
        requireArgs(arguments.length, 1, "structuredClone");
        return cloneWith(value, transferOf(options))[0];
    }
};

return {
    ...operations, kinds, carriers, cloneWith, toObject, transferOf
};
