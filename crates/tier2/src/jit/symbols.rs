//! Names of machine code for tools.
//!
//! * `perf`: the map `/tmp/perf-<pid>.map`, which CPython writes for whoever asks ([`Parameter::PerfMap`]). Frame pointers are kept in
//!   machine code, so `perf record --call-graph fp` finds its way.
//! * gdb: see [`super::gdb`] ([`Parameter::Gdb`]).
//!
//! | name | of |
//! |---|---|
//! | `hotspur:<qualified name>:<first line>#<number>` | an executor, by the code where it begins |
//! | `hotspur:passage:#<number>.<exit>->#<number>` | the passage from an exit to an executor |
//! | `hotspur:passage:#<number>.<exit>->tier1` | the passage from an exit to tier 1 |
//! | `hotspur:stub:<name>` | what all executors share: the cold exit, jumps to functions that are far away |

use super::gdb::Registration;
use super::with;
use crate::executor::Executor;
use crate::graph;
use crate::observe;
use crate::params::Parameter;
use core::sync::atomic::{AtomicBool, Ordering};
use hotspur_codegen::{Installed, Stub};
use hotspur_cpython_sys::{PyUnstable_PerfMapState_Fini, PyUnstable_WritePerfMapEntry};
use std::ffi::CString;

/// Whether stubs are in the map, and whether gdb knows them.
static STUBS: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

fn stubs(known: &AtomicBool) -> Vec<(String, Stub)> {
    if known.swap(true, Ordering::Relaxed) {
        return Vec::new();
    }
    let stubs = with(|jit| jit.space.stubs().to_vec()).unwrap_or_default();
    stubs.into_iter().map(|stub| (format!("hotspur:stub:{}", stub.name), stub)).collect()
}

fn enter_in_map(entry: *const u8, size: usize, name: &str) {
    let Ok(name) = CString::new(name) else { return };
    // SAFETY: the GIL is held, and the name ends in a zero. Without the map the program runs as well.
    unsafe {
        PyUnstable_WritePerfMapEntry(entry.cast(), size as u32, name.as_ptr());
    }
}

fn note(installed: &Installed, name: impl Fn() -> String) -> Option<Registration> {
    if Parameter::PerfMap.get() != 0 {
        for (name, Stub { entry, size, .. }) in stubs(&STUBS[0]) {
            enter_in_map(entry, size, &name);
        }
        enter_in_map(installed.entry(), installed.size(), &name());
    }
    if Parameter::Gdb.get() == 0 {
        return None;
    }
    for (name, Stub { entry, size, .. }) in stubs(&STUBS[1]) {
        // They stay as long as the process.
        core::mem::forget(Registration::new(&name, entry, size));
    }
    Some(Registration::new(&name(), installed.entry(), installed.size()))
}

/// Tells tools of an executor's code, if that is wanted. To be kept as long as the code is there.
pub(super) fn of_executor(executor: &Executor, installed: &Installed) -> Option<Registration> {
    note(installed, || name_of_executor(executor))
}

/// The same for a passage.
pub(super) fn of_passage(
    executor: &Executor,
    exit: usize,
    target: Option<&Executor>,
    installed: &Installed,
) -> Option<Registration> {
    note(installed, || name_of_passage(executor, exit, target))
}

fn name_of_executor(executor: &Executor) -> String {
    let code = executor.trace().codes[executor.trace().superblock.code.as_u32() as usize];
    // SAFETY: the GIL is held, and the code object is live, as long as the executor is valid.
    let (name, line) = unsafe { (observe::function_name(code), (*code).co_firstlineno) };
    format!("hotspur:{name}:{line}#{}", executor.id)
}

fn name_of_passage(executor: &Executor, exit: usize, target: Option<&Executor>) -> String {
    let target = target.map_or_else(|| "tier1".into(), |target| format!("#{}", target.id));
    format!("hotspur:passage:#{}.{exit}->{target}", executor.id)
}

/// The process was forked off: its map is another one, and has nothing in it.
pub(crate) fn forked() {
    if Parameter::PerfMap.get() == 0 {
        return;
    }
    // SAFETY: the GIL is held.
    unsafe { PyUnstable_PerfMapState_Fini() };
    STUBS[0].store(false, Ordering::Relaxed);
    for (name, Stub { entry, size, .. }) in stubs(&STUBS[0]) {
        enter_in_map(entry, size, &name);
    }
    for executor in graph::all() {
        if executor.is_valid() && executor.has_code() {
            let code = executor.code().bytes();
            enter_in_map(code.as_ptr(), code.len(), &name_of_executor(&executor));
            for (number, exit) in executor.exits().iter().enumerate() {
                let target = exit.target();
                exit.with_passage(|code| {
                    enter_in_map(code.as_ptr(), code.len(), &name_of_passage(&executor, number, target.as_deref()));
                });
                graph::bury_executor(target);
            }
        }
        graph::bury_executor(Some(executor));
    }
}
