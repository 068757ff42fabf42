/* A growable array. `VEC(type)` declares one; zero-initialised is empty. */
#ifndef VEC_H
#define VEC_H
#include <stdlib.h>
#include <string.h>

#define VEC(type) struct { type *at; size_t n, room; }
#define VEC_PUSH(v, item) (*VEC_NEW(v) = (item))
#define VEC_NEW(v) ((v)->n == (v)->room ? VEC_GROW(v) : (void)0, &(v)->at[(v)->n++])
#define VEC_GROW(v) \
    ((void)((v)->room = (v)->room ? 2 * (v)->room : 64, \
            (v)->at = vec_resize((v)->at, (v)->room * sizeof *(v)->at)))
#define VEC_REMOVE(v, i) \
    (memmove(&(v)->at[i], &(v)->at[(i) + 1], ((v)->n - (i) - 1) * sizeof *(v)->at), (v)->n--)

static inline void *vec_resize(void *at, size_t bytes)
{
    void *p = realloc(at, bytes);
    if (!p) abort();
    return p;
}
#endif
