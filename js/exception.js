/*
 * exception.js - DOMException (Web IDL 2.8.1, 4.3).
 *
 * domError(name, message) makes one. DOMExceptionSlots is for clone.js.
 */
const { expose } = use("webidl");
const { captureStackTrace } = Error;

const CODES = {
    INDEX_SIZE_ERR: 1, DOMSTRING_SIZE_ERR: 2, HIERARCHY_REQUEST_ERR: 3,
    WRONG_DOCUMENT_ERR: 4, INVALID_CHARACTER_ERR: 5, NO_DATA_ALLOWED_ERR: 6,
    NO_MODIFICATION_ALLOWED_ERR: 7, NOT_FOUND_ERR: 8, NOT_SUPPORTED_ERR: 9,
    INUSE_ATTRIBUTE_ERR: 10, INVALID_STATE_ERR: 11, SYNTAX_ERR: 12,
    INVALID_MODIFICATION_ERR: 13, NAMESPACE_ERR: 14, INVALID_ACCESS_ERR: 15,
    VALIDATION_ERR: 16, TYPE_MISMATCH_ERR: 17, SECURITY_ERR: 18,
    NETWORK_ERR: 19, ABORT_ERR: 20, URL_MISMATCH_ERR: 21,
    QUOTA_EXCEEDED_ERR: 22, TIMEOUT_ERR: 23, INVALID_NODE_TYPE_ERR: 24,
    DATA_CLONE_ERR: 25
};
// in a function: not in the image
const codeOf = (name) => ({
    __proto__: null, IndexSizeError: 1, HierarchyRequestError: 3,
    WrongDocumentError: 4, InvalidCharacterError: 5,
    NoModificationAllowedError: 7, NotFoundError: 8, NotSupportedError: 9,
    InUseAttributeError: 10, InvalidStateError: 11, SyntaxError: 12,
    InvalidModificationError: 13, NamespaceError: 14, InvalidAccessError: 15,
    TypeMismatchError: 17, SecurityError: 18, NetworkError: 19,
    AbortError: 20, URLMismatchError: 21, QuotaExceededError: 22,
    TimeoutError: 23, InvalidNodeTypeError: 24, DataCloneError: 25
})[name] ?? 0;

class Slots extends function (o) { return o; } {
    #name;
    #message;
    constructor(o, name, message) {
        super(o);
        this.#name = name;
        this.#message = message;
    }
    static has(o) { return #name in o; }
    static name(o) { return o.#name; }
    static message(o) { return o.#message; }
}

class DOMException {
    constructor(message = "", name = "Error") {
        message = `${message}`;
        // { name, cause } is Node's form, too widely used to refuse
        const options = typeof name === "object" && name !== null ? name
            : undefined;
        if (options !== undefined)
            name = options.name === undefined ? "Error" : options.name;
        name = `${name}`;
        const self = Reflect.construct(native.HostObject, [], new.target);
        new Slots(self, name, message);
        if (options !== undefined && "cause" in options)
            Object.defineProperty(self, "cause", {
                value: options.cause, writable: true, configurable: true
            });
        captureStackTrace(self, new.target);
        return self;
    }
    get name() { return Slots.name(this); }
    get message() { return Slots.message(this); }
    get code() { return codeOf(Slots.name(this)); }
}
Object.setPrototypeOf(DOMException.prototype, Error.prototype);
expose(DOMException, "DOMException", CODES);

function domError(name, message) {
    const e = new DOMException(message, name);
    captureStackTrace(e, domError);
    return e;
}

const DOMExceptionSlots = {
    has: (o) => typeof o === "object" && o !== null && Slots.has(o),
    serialize: (o) => [Slots.name(o), Slots.message(o), `${o.stack}`],
    deserialize([name, message, stack]) {
        const e = new DOMException(message, name);
        Object.defineProperty(e, "stack",
            { value: stack, writable: true, configurable: true });
        return e;
    }
};

return { DOMException, domError, DOMExceptionSlots };
