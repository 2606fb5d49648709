/*
 * streams_head.js - what web-streams-polyfill finds in place of globals.
 *
 * The builder puts this text before the polyfill's, in one function: the
 * names below shadow the global ones, so that a script which replaces those
 * cannot reach into a stream, and the polyfill itself stays as published.
 */
const { DOMException } = use("exception");
const { AbortController } = use("abort");
const globalThis = { DOMException };
const queueMicrotask = (f) => native.microtask(f);
// V8 10.2 has no ArrayBuffer.prototype.transfer; only buffers come here
const structuredClone = (buffer) => native.transferBuffer(buffer);
