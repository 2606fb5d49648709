/* library.c - dlopen(3). */
#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

enum err library_open(const char *file, const char *const *names,
                      void *pointers, struct why *why)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return why_set(why, ERR_FAIL, "%s cannot be loaded: %s", file,
                       dlerror());
    for (const char *const *name = names; *name != NULL; name++) {
        if (dlsym(handle, *name) != NULL)
            continue;
        why_set(why, ERR_FAIL, "%s has no %s", file, *name);
        dlclose(handle);
        return ERR_FAIL;
    }
    for (size_t i = 0; names[i] != NULL; i++) {
        void *p = dlsym(handle, names[i]);
        memcpy((char *)pointers + i * sizeof(p), &p, sizeof(p));
    }
    return OK;
}
