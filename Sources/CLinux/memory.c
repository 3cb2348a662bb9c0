#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sockets.h"
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

// Segments that are never written to hold nothing but what is in their file, so dropping their pages loses nothing.
static int release_text(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    (void)context;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[index];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) || !(segment->p_flags & PF_X)) continue;
        uintptr_t start = (info->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (info->dlpi_addr + segment->p_vaddr + segment->p_filesz) & ~(page - 1);
        if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void martlet_release_startup_memory(void) {
    malloc_trim(0);
    dl_iterate_phdr(release_text, NULL);
}

martlet_heap martlet_heap_state(void) {
    struct mallinfo2 info = mallinfo2();
    martlet_heap heap = {info.uordblks + info.hblkhd, info.arena + info.hblkhd, info.fordblks};
    return heap;
}
