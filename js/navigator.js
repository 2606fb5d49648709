/*
 * navigator.js - Navigator (HTML 8.10.1), as much of it as a server has.
 */
const { brand, expose, illegal, isObject } = use("webidl");

const KEY = {};

class Navigator {
    #brand;
    constructor() {
        if (arguments[0] !== KEY)
            illegal();
    }
    get userAgent() {
        brand(this, (v) => isObject(v) && #brand in v, "Navigator");
        return "snapcgi";
    }
}
expose(Navigator, "Navigator");

return { Navigator, navigator: new Navigator(KEY) };
