/*
 * streams.js - the Streams Standard's interfaces, and the platform's own way
 * to read a stream.
 *
 *   isReadableStream(v) isDisturbed(stream) isLocked(stream)
 *   isUint8Array(v)
 *   acquire(stream)     a default reader; TypeError when locked
 *   readChunks(reader, chunk, close, error)  reads to the end; chunk(v) gives
 *       false to stop, and then resume() of the result goes on. No promise is
 *       made, so a script's Object.prototype.then cannot come between.
 *   readAll(stream, done, fail)  all bytes as one fresh Uint8Array
 *   concat(chunks, size)
 *   readableFromBytes(bytes)     bytes is never given away
 *   cancel(stream, reason) cancelReader(reader, reason) teeStream(stream)
 *   discard(promise)    its rejection is nobody's business
 *   passThrough(stream)
 */
const polyfill = use("streams_polyfill");
const { ReadableStream, ReadableStreamDefaultReader,
    ReadableStreamDefaultController, TransformStream,
    WritableStreamDefaultController } = polyfill;

const { apply } = Reflect;
const { then } = Promise.prototype;
const hasOwn = Object.prototype.hasOwnProperty;
const { cancel: cancelStream, tee, pipeThrough } = ReadableStream.prototype;
const { cancel: cancelByReader } = ReadableStreamDefaultReader.prototype;
const typedTag = Object.getOwnPropertyDescriptor(
    Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const PULL = Object.getOwnPropertySymbols(
    ReadableStreamDefaultController.prototype)
    .find((s) => s.description === "[[PullSteps]]");
const CHUNK = 64 * 1024;

// left the standard with signal's arrival
delete WritableStreamDefaultController.prototype.abortReason;

const isUint8Array = (v) => apply(typedTag, v, []) === "Uint8Array";
const isReadableStream = (v) => v instanceof ReadableStream &&
    apply(hasOwn, v, ["_readableStreamController"]);
const isDisturbed = (stream) => stream._disturbed;
const isLocked = (stream) => stream._reader !== undefined;
const acquire = (stream) => new ReadableStreamDefaultReader(stream);
const cancel = (stream, reason) => apply(cancelStream, stream, [reason]);
const cancelReader = (reader, reason) =>
    apply(cancelByReader, reader, [reason]);
const nothing = () => {};
const discard = (promise) => { apply(then, promise, [nothing, nothing]); };
const teeStream = (stream) => apply(tee, stream, []);

// ReadableStreamDefaultReaderRead, 4.4.5
function pull(reader, request) {
    const stream = reader._ownerReadableStream;
    stream._disturbed = true;
    if (stream._state === "closed")
        request._closeSteps();
    else if (stream._state === "errored")
        request._errorSteps(stream._storedError);
    else
        stream._readableStreamController[PULL](request);
}

// A queued chunk comes within pull(): a loop, for recursion would be deep.
function readChunks(reader, chunk, close, error) {
    let running = false, again = false, stopped = false;
    const request = {
        _chunkSteps(v) {
            again = chunk(v);
            stopped = !again;
            if (again && !running)
                run();
        },
        _closeSteps: close,
        _errorSteps: error
    };
    function run() {
        running = true;
        do {
            again = false;
            pull(reader, request);
        } while (again);
        running = false;
    }
    run();
    return {
        resume() {
            if (stopped) {
                stopped = false;
                run();
            }
        }
    };
}

function concat(chunks, size) {
    const all = new Uint8Array(size);
    let at = 0;
    for (let i = 0; i < chunks.length; i++) {
        all.set(chunks[i], at);
        at += chunks[i].length;
    }
    return all;
}

// "Read all bytes", 4.9.1
function readAll(stream, done, fail) {
    const chunks = [];
    let size = 0;
    readChunks(acquire(stream), (chunk) => {
        if (!isUint8Array(chunk)) {
            fail(new TypeError("A body's stream gave a chunk that is not " +
                "a Uint8Array"));
            return false;
        }
        chunks.push(chunk);
        size += chunk.length;
        return true;
    }, () => done(concat(chunks, size)), fail);
}

// No prototype: a script's Object.prototype.start is not ours.
const newByteStream = (source) => new ReadableStream(
    { __proto__: null, type: "bytes", ...source },
    { __proto__: null, highWaterMark: 0 });

function readableFromBytes(bytes) {
    let at = 0;
    return newByteStream({
        __proto__: null,
        pull(controller) {
            const end = Math.min(at + CHUNK, bytes.length);
            if (at < end)
                controller.enqueue(bytes.slice(at, end));
            at = end;
            if (at === bytes.length) {
                controller.close();
                controller.byobRequest?.respond(0);
            }
        }
    });
}

function passThrough(stream) {
    const none = { __proto__: null };
    return apply(pipeThrough, stream, [new TransformStream(none, none,
        { __proto__: null, highWaterMark: 0 }), none]);
}

return {
    ...polyfill, isReadableStream, isDisturbed, isLocked, isUint8Array,
    acquire, readChunks, readAll, concat, newByteStream,
    readableFromBytes, cancel, cancelReader, discard,
    teeStream, passThrough
};
