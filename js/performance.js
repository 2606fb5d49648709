/*
 * performance.js - Performance (High Resolution Time 7).
 */
const { expose, illegal } = use("webidl");
const { EventTarget } = use("events");

const KEY = {};
let origin; // read once a realm: the real clock may be set meanwhile

class Performance extends EventTarget {
    #brand = true;
    constructor() {
        if (arguments[0] !== KEY)
            illegal();
        super();
    }
    now() {
        this.#brand;
        return native.timerNow();
    }
    get timeOrigin() {
        this.#brand;
        return origin ??= native.timeOrigin();
    }
    toJSON() {
        this.#brand;
        return { timeOrigin: this.timeOrigin };
    }
}
expose(Performance);

// of a realm that goes on elsewhere: its clock was stopped meanwhile
const forgetOrigin = () => { origin = undefined; };

return { Performance, performance: new Performance(KEY), forgetOrigin };
