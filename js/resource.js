/*
 * resource.js - things in C that live as long as an object does.
 *
 * own(object, id) frees the resource (engine/restab.h) when the object is
 * collected. free(id) does at once; a number that is freed already is none.
 */
let registry;

function own(object, id) {
    registry ??= new FinalizationRegistry((held) => native.resourceFree(held));
    registry.register(object, id);
}

const free = (id) => native.resourceFree(id);

return { own, free };
