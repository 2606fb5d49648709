/*
 * image_embedded.c - the image as mksnap wrote it, neither copied nor parsed
 * by the compiler. IMAGE_FILE is the build's.
 */
#include "engine/image_embedded.h"

__asm__(".section .rodata\n"
        ".balign 4096\n"
        ".globl image_api\n"
        "image_api:\n"
        ".incbin \"" IMAGE_FILE "\"\n"
        "image_api_end:\n"
        ".balign 8\n"
        ".globl image_api_size\n"
        "image_api_size:\n"
        ".quad image_api_end - image_api\n"
        ".previous\n");
