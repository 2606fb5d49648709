/*
 * clone.js - structuredClone (HTML 2.7.10), over V8's serializer.
 *
 * V8 meets a platform object by its internal field and asks for a copy.
 */
const { checkGlobal, isObject, requireArgs, toDictionary, toSequence } =
    use("webidl");
const { domError, DOMExceptionSlots } = use("exception");
const { interfaceOf } = use("inspect");
const { BlobSlots } = use("blob");

const kinds = [DOMExceptionSlots, BlobSlots];
const refuse = (message) => domError("DataCloneError", message);

function copyObject(object) {
    for (const kind of kinds)
        if (kind.has(object))
            return kind.deserialize(kind.serialize(object));
    throw refuse("The object could not be cloned.");
}

// An interface's object that is not of these kinds. One inside another value
// is not found: V8 sees an ordinary object.
const isForeign = (v) => isObject(v) && interfaceOf(v) !== undefined &&
    !kinds.some((kind) => kind.has(v));

const operations = {
    structuredClone(value, options = undefined) {
        checkGlobal(this);
        requireArgs(arguments.length, 1, "structuredClone");
        const { transfer } = toDictionary(options, "options");
        const list = transfer === undefined ? []
            : toSequence(transfer, (v) => v, "transfer");
        if (new Set(list).size !== list.length)
            throw refuse("A value is in the transfer list twice.");
        if (isForeign(value))
            throw refuse("The object could not be cloned.");
        return native.clone(value, list, copyObject, refuse);
    }
};

return operations;
