/*
 * image_cache.h - what nobody needs any more goes from the cache of images.
 *
 * The folder has, for each image of which pools with `image = auto` have made
 * one, by image_cache_path(): NAME.img, the image; NAME.img.app, a link to its
 * application, since nothing that an application's own process has written is
 * looked into here; and NAME.img.new while it is made. A name begins with
 * eight digits that stand for the program.
 */
#ifndef SERVE_IMAGE_CACHE_H
#define SERVE_IMAGE_CACHE_H

/*
 * Notes that path is where the image of app is, as image_app_path() has it,
 * and tidies its folder: images that were not used for a week and that another
 * program has made, whose application is gone, or which are of app with other
 * settings, and what makers that were ended have left. The log has what was
 * removed.
 *
 * Used: opened, where the file system notes that, or else made. Who has opened
 * or mapped one loses nothing; a pool of another program that comes later goes
 * on from source and makes one at its next start.
 *
 * The folder is one that nobody else can write in; files of other names or
 * owners are left alone.
 */
void image_cache_tend(const char *path, const char *app);

#endif
