/*
 * image_magic.h - the first bytes of images and of state files, for who must
 * tell them from other files and reads no more of them.
 */
#ifndef BASE_IMAGE_MAGIC_H
#define BASE_IMAGE_MAGIC_H

#define IMAGE_MAGIC "snapcgi\n" /* engine/image.c */
#define STATE_MAGIC "snapcgi+"  /* serve/state_file.c: an image in a cover */
#define IMAGE_MAGIC_N 8u

#endif
