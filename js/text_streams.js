/*
 * text_streams.js - TextDecoderStream, TextEncoderStream (Encoding Standard
 * 7.5 to 7.8).
 */
const { isBufferSource, expose } = use("webidl");
const { TransformStream } = use("streams");
const { TextDecoder, streamDecode } = use("text");

class TextDecoderStream {
    #decoder;
    #transform;
    constructor(label = "utf-8", options = undefined) {
        const decoder = new TextDecoder(label, options);
        const put = (controller, bytes, more) => {
            const text = streamDecode(decoder, bytes, more);
            if (text !== "")
                controller.enqueue(text);
        };
        this.#decoder = decoder;
        this.#transform = new TransformStream({
            __proto__: null,
            transform(chunk, controller) {
                if (!isBufferSource(chunk, true))
                    throw new TypeError(
                        "TextDecoderStream: a chunk has no bytes");
                put(controller, chunk, true);
            },
            flush: (controller) => put(controller, new Uint8Array(0), false)
        });
    }
    get encoding() { return this.#decoder.encoding; }
    get fatal() { return this.#decoder.fatal; }
    get ignoreBOM() { return this.#decoder.ignoreBOM; }
    get readable() { return this.#transform.readable; }
    get writable() { return this.#transform.writable; }
}
expose(TextDecoderStream, "TextDecoderStream");

class TextEncoderStream {
    #transform;
    constructor() {
        let lead = ""; // the first half of a pair that a chunk ended with
        this.#transform = new TransformStream({
            __proto__: null,
            transform(chunk, controller) {
                let text = lead + `${chunk}`;
                lead = "";
                const end = text.length - 1;
                if ((text.charCodeAt(end) & 0xFC00) === 0xD800) {
                    lead = text[end];
                    text = text.slice(0, end);
                }
                if (text !== "")
                    controller.enqueue(native.textEncode(text));
            },
            flush(controller) {
                if (lead !== "")
                    controller.enqueue(native.textEncode(lead));
            }
        });
    }
    get encoding() {
        this.#transform;
        return "utf-8";
    }
    get readable() { return this.#transform.readable; }
    get writable() { return this.#transform.writable; }
}
expose(TextEncoderStream, "TextEncoderStream");

return { TextDecoderStream, TextEncoderStream };
