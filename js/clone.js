/*
 * clone.js - structuredClone (HTML 2.7.10), over V8's serializer.
 *
 * V8 meets a platform object by its internal field and asks for a copy.
 */
const { requireArgs, toDictionary, toSequence } = use("webidl");
const { domError, DOMExceptionSlots } = use("exception");
const { BlobSlots } = use("blob");

const kinds = [DOMExceptionSlots, BlobSlots];
const refuse = (message) => domError("DataCloneError", message);

function copyObject(object) {
    for (const kind of kinds)
        if (kind.has(object))
            return kind.deserialize(kind.serialize(object));
    throw refuse("The object could not be cloned.");
}

function structuredClone(value, options = undefined) {
    requireArgs(arguments.length, 1, "structuredClone");
    const { transfer } = toDictionary(options, "options");
    const list = transfer === undefined ? []
        : toSequence(transfer, (v) => v, "transfer");
    if (new Set(list).size !== list.length)
        throw refuse("A value is in the transfer list twice.");
    return native.clone(value, list, copyObject, refuse);
}

return { structuredClone };
