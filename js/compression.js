/*
 * compression.js - CompressionStream, DecompressionStream (Compression
 * Standard 4, 5).
 *
 * A chunk's output is enqueued in pieces of at most 64 KB. After AHEAD of
 * them the transform waits until what is queued was read, which the standard
 * leaves open: a small input that unfolds to gigabytes stays small.
 */
const { isBufferSource, bytesOf, toEnum, requireArgs, expose } = use("webidl");
const { TransformStream } = use("streams");
const { own, free } = use("resource");

const FORMATS = ["deflate", "deflate-raw", "gzip"]; // enum zformat
const FULL = 1, END = 2; // of enum zstate
const AHEAD = 16;
const NOTHING = new Uint8Array(0);

class Codec {
    constructor(format, decompress, what) {
        this.what = what;
        this.decompress = decompress;
        this.ended = false;
        this.id = native.zlibOpen(FORMATS.indexOf(format), decompress);
        this.stream = undefined;
        // lives as long as a reader or a writer of it may
        own(this, this.id);
    }
    close() {
        free(this.id);
        this.id = 0;
    }
    fail(why) {
        this.close();
        throw new TypeError(`${this.what}: ${why}`);
    }
    // "compress/decompress and enqueue a chunk", and "... flush"
    run(bytes, last, controller) {
        let at = 0, pieces = 0, used, state, piece;
        const go = () => {
            while (this.id !== 0) {
                [used, state, piece] = native.zlibRun(this.id, bytes, at, last);
                at += used;
                if (piece !== undefined) {
                    controller.enqueue(piece);
                    pieces++;
                }
                if (state !== FULL)
                    return this.finish(bytes.length - at, state, last);
                const { stream } = this;
                if (pieces >= AHEAD && stream._backpressure)
                    return stream._backpressureChangePromise.then(guarded);
            }
            return undefined;
        };
        const guarded = () => {
            try {
                return go();
            } catch (e) {
                this.close();
                throw e;
            }
        };
        return guarded();
    }
    finish(left, state, last) {
        this.ended = state === END;
        if (this.ended && left > 0)
            this.fail("there is data after the end of the compressed data");
        if (last && !this.ended)
            this.fail("the compressed data has no end");
        if (last)
            this.close();
    }
}

// the readable and the writable side of a codec
function transformOf(codec) {
    codec.stream = new TransformStream({
        __proto__: null,
        transform(chunk, controller) {
            if (!isBufferSource(chunk))
                codec.fail("a chunk is not a BufferSource");
            return codec.run(bytesOf(chunk), false, controller);
        },
        flush: (controller) => codec.run(NOTHING, true, controller),
        cancel: () => codec.close()
    });
    return codec.stream;
}

class CompressionStream {
    #transform;
    constructor(format) {
        requireArgs(arguments.length, 1, "CompressionStream");
        format = toEnum(format, FORMATS, "CompressionStream: format");
        this.#transform = transformOf(
            new Codec(format, false, "CompressionStream"));
    }
    get readable() { return this.#transform.readable; }
    get writable() { return this.#transform.writable; }
}
expose(CompressionStream, "CompressionStream");

class DecompressionStream {
    #transform;
    constructor(format) {
        requireArgs(arguments.length, 1, "DecompressionStream");
        format = toEnum(format, FORMATS, "DecompressionStream: format");
        this.#transform = transformOf(
            new Codec(format, true, "DecompressionStream"));
    }
    get readable() { return this.#transform.readable; }
    get writable() { return this.#transform.writable; }
}
expose(DecompressionStream, "DecompressionStream");

return { CompressionStream, DecompressionStream };
