/*
 * library.h - shared libraries that are opened when they are first needed.
 *
 * Most requests need neither TLS nor cryptography; loading what they do not
 * use would cost each of them (bench/cold). A user of a library has a struct
 * of function pointers and one name for each, made by one list:
 *
 *   #define CURL_FUNCTIONS(F) F(curl_easy_init) F(curl_easy_perform)
 *   struct curl { CURL_FUNCTIONS(LIBRARY_MEMBER) } curl;
 *   static const char *const names[] = { CURL_FUNCTIONS(LIBRARY_NAME) NULL };
 */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include "base/err.h"

#define LIBRARY_MEMBER(name) __typeof__(name) *name;
#define LIBRARY_NAME(name) #name,

/*
 * Opens file ("libcurl.so.4") for the rest of the process and fills pointers,
 * an array or struct of function pointers in the order of names. On
 * ERR_FAIL why says what is missing, and nothing is filled.
 */
enum err library_open(const char *file, const char *const *names,
                      void *pointers, struct why *why);

#endif
