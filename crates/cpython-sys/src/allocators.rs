//! Whether somebody watches allocations, as `tracemalloc` does.
//!
//! `tracemalloc` puts itself in front of the allocators (`PyMem_SetAllocator`, PEP 445) and looks at the frames at each
//! allocation, so the frames have to be there. Whether it does is one word: the function that allocates, in the table that
//! `PyMem_GetAllocator` copies from. The table is in `_PyRuntime`, and is found by what it holds.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use pyo3_ffi::{self as ffi, PyMemAllocatorDomain, PyMemAllocatorEx};

/// A `PyMemAllocatorEx` as words: context, malloc, calloc, realloc, free.
type Words = [usize; 5];
const MALLOC: usize = 1;

/// How many bytes of `_PyRuntime` are searched. The table is about 1 KiB from its beginning.
const SEARCHED: usize = 16 << 10;

static NOBODY: AtomicUsize = AtomicUsize::new(0);
/// The word of the table that names the function in use.
static IN_USE: AtomicPtr<AtomicUsize> = AtomicPtr::new((&raw const NOBODY).cast_mut());
/// What it names while nobody watches.
static UNWATCHED: AtomicUsize = AtomicUsize::new(0);

/// Whether allocations go through somebody who was not there at [`find_allocators`], or through `tracemalloc`.
#[inline(always)]
pub unsafe fn allocations_are_watched() -> bool {
    let word = IN_USE.load(Ordering::Relaxed);
    // The word belongs to the runtime's state or is NOBODY: both are there for good. It is written with the GIL held.
    (*word).load(Ordering::Relaxed) != UNWATCHED.load(Ordering::Relaxed)
}

/// Finds the table, so that [`allocations_are_watched`] can tell. Answers whether it was found; until then nobody watches.
/// To be called once, with no exception set.
pub unsafe fn find_allocators() -> bool {
    let mut now = MaybeUninit::<PyMemAllocatorEx>::uninit();
    ffi::PyMem_GetAllocator(PyMemAllocatorDomain::PYMEM_DOMAIN_OBJ, now.as_mut_ptr());
    let now = now.as_ptr().cast::<Words>().read();
    let Some(word) = search(&now) else { return false };
    // What `tracemalloc` puts itself in front of is its functions' context.
    let unwatched = if tracemalloc_is_on() { (*(now[0] as *const Words))[MALLOC] } else { now[MALLOC] };
    UNWATCHED.store(unwatched, Ordering::Relaxed);
    IN_USE.store(word.cast_mut(), Ordering::Relaxed);
    true
}

/// The word for `malloc` of the first table in `_PyRuntime` that holds what `table` holds. The tables in use come before those in which
/// `tracemalloc` keeps what it stands in front of.
unsafe fn search(table: &Words) -> Option<*const AtomicUsize> {
    let words = crate::verify::runtime().cast::<usize>();
    let candidates = SEARCHED / size_of::<usize>() - table.len();
    (0..candidates)
        .map(|i| words.add(i))
        .find(|&at| table.iter().enumerate().all(|(i, &word)| at.add(i).read_volatile() == word))
        .map(|at| at.add(MALLOC).cast())
}

/// `_tracemalloc.is_tracing()`. The module is not imported for that where nothing says that it might be.
unsafe fn tracemalloc_is_on() -> bool {
    let name = c"_tracemalloc".as_ptr();
    let modules = ffi::PyImport_GetModuleDict();
    let is_imported = !ffi::PyDict_GetItemString(modules, name).is_null();
    let is_asked_for = !ffi::PyDict_GetItemString(ffi::PySys_GetXOptions(), c"tracemalloc".as_ptr()).is_null()
        || std::env::var_os("PYTHONTRACEMALLOC").is_some();
    if !is_imported && !is_asked_for {
        return false;
    }
    let module = ffi::PyImport_ImportModule(name);
    let answer = if module.is_null() {
        null_mut()
    } else {
        ffi::PyObject_CallMethod(module, c"is_tracing".as_ptr(), core::ptr::null::<c_void>().cast())
    };
    let is_on = answer == ffi::Py_True();
    ffi::Py_XDECREF(answer);
    ffi::Py_XDECREF(module);
    if !is_imported {
        ffi::PyDict_DelItemString(modules, name);
    }
    ffi::PyErr_Clear();
    is_on
}
