/*
 * stream_transfer.js - transferable streams (Streams 4.2.5, 5.2.5, 6.2.5).
 *
 * Both ends are in one realm, so no ports stand between them: what comes is
 * read from, and written to, the stream that was transferred, which is locked
 * for good. Chunks and reasons are cloned on the way (8.2).
 */
const { carriers, structuredClone } = use("clone");
const { exposed } = use("webidl");
const streams = use("streams");
const { ReadableStream, TransformStream, WritableStream, acquire, discard,
    isLocked, isReadableStream } = streams;
const { WritableStreamDefaultWriter } = streams;

const hasOwn = Object.prototype.hasOwnProperty;
const own = (v, Class, key) => v instanceof Class && hasOwn.call(v, key);
const isWritableStream = (v) =>
    own(v, WritableStream, "_writableStreamController");
const isTransformStream = (v) =>
    own(v, TransformStream, "_transformStreamController");

const ends = new WeakMap(); // of a stream made here: what it is joined to

// A copy, or the exception that there is none.
function copyOf(reason) {
    try {
        return structuredClone(reason);
    } catch (e) {
        return e;
    }
}

function makeReadable() {
    const end = { reader: undefined };
    const stream = new ReadableStream({
        async pull(controller) {
            let step;
            try {
                step = await end.reader.read();
            } catch (e) {
                throw copyOf(e);
            }
            if (step.done) {
                controller.close();
                return;
            }
            try {
                controller.enqueue(structuredClone(step.value));
            } catch (e) {
                discard(end.reader.cancel(e));
                throw e;
            }
        },
        cancel: (reason) => end.reader.cancel(copyOf(reason))
    }, { highWaterMark: 0 });
    ends.set(stream, end);
    return stream;
}

const joinReadable = (from, to) => { ends.get(to).reader = acquire(from); };

function makeWritable() {
    const end = { writer: undefined, controller: undefined };
    const stream = new WritableStream({
        start(controller) { end.controller = controller; },
        async write(chunk) {
            try {
                chunk = structuredClone(chunk);
            } catch (e) {
                discard(end.writer.abort(e));
                throw e;
            }
            await end.writer.ready;
            discard(end.writer.write(chunk));
        },
        close: () => end.writer.close(),
        abort: (reason) => end.writer.abort(copyOf(reason))
    });
    ends.set(stream, end);
    return stream;
}

function joinWritable(from, to) {
    const end = ends.get(to);
    const writer = end.writer = new WritableStreamDefaultWriter(from);
    writer.closed.catch((e) => end.controller.error(copyOf(e)));
}

// as 6.2.5 sets the slots: this one has no transformer
function makeTransform() {
    const stream = Object.create(TransformStream.prototype);
    for (const [key, value] of [["_readable", makeReadable()],
        ["_writable", makeWritable()],
        ["_transformStreamController", undefined]])
        Object.defineProperty(stream, key,
            { value, writable: true, enumerable: false, configurable: true });
    return stream;
}

carriers.push({
    has: isReadableStream, isDetached: isLocked,
    make: makeReadable, move: joinReadable
}, {
    has: isWritableStream, isDetached: (v) => v.locked,
    make: makeWritable, move: joinWritable
}, {
    has: isTransformStream,
    isDetached: (v) => v._readable.locked || v._writable.locked,
    make: makeTransform,
    move(from, to) {
        joinReadable(from._readable, to._readable);
        joinWritable(from._writable, to._writable);
    }
});

return {};
