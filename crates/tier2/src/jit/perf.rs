//! Names of machine code for `perf`: the map `/tmp/perf-<pid>.map`, which CPython writes for whoever asks.
//!
//! Frame pointers are kept in machine code, so `perf record --call-graph fp` finds its way.

use crate::executor::Executor;
use crate::graph;
use crate::params::Parameter;
use hotspur_cpython_sys::ffi;
use hotspur_cpython_sys::{PyUnstable_PerfMapState_Fini, PyUnstable_WritePerfMapEntry};
use std::ffi::{CStr, CString};

/// Enters the code of an executor, if that is wanted.
pub(super) fn note(executor: &Executor) {
    if Parameter::PerfMap.get() == 0 {
        return;
    }
    let Some(name) = name(executor) else { return };
    let code = executor.code();
    // SAFETY: the GIL is held, and the name ends in a zero. Without the map the program runs as well.
    unsafe {
        PyUnstable_WritePerfMapEntry(code.entry().cast(), code.len() as u32, name.as_ptr());
    }
}

/// `hotspur:<qualified name>:<first line>#<number>`, of the code where the executor begins.
fn name(executor: &Executor) -> Option<CString> {
    let code = *executor.trace.codes.get(executor.trace.superblock.code.as_u32() as usize)?;
    // SAFETY: the code object is live, as long as the executor is valid, and its name is a string. Asking for its UTF-8 runs no
    // code; a name that has none sets an exception.
    unsafe {
        let name = ffi::PyUnicode_AsUTF8((*code).co_qualname);
        let name = if name.is_null() {
            ffi::PyErr_Clear();
            "?".into()
        } else {
            CStr::from_ptr(name).to_string_lossy()
        };
        CString::new(format!("hotspur:{name}:{}#{}", (*code).co_firstlineno, executor.id)).ok()
    }
}

/// The process was forked off: its map is another one, and has nothing in it.
pub(crate) fn forked() {
    if Parameter::PerfMap.get() == 0 {
        return;
    }
    // SAFETY: the GIL is held.
    unsafe { PyUnstable_PerfMapState_Fini() };
    for executor in graph::all() {
        if executor.is_valid() && executor.has_code() {
            note(&executor);
        }
        graph::bury_executor(Some(executor));
    }
}
