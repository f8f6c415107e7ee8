//! Tracing, profiling and monitoring: noticing when they are switched on and off.
//!
//! While any tool is active, frames run on the stock interpreter (see [`crate::eval`]), and the evaluation function is taken
//! out altogether, so that the stock interpreter inlines calls and counts events just as it does without us.
//!
//! How a change is noticed:
//! * `sys.settrace`, `sys.setprofile`, their all-threads variants, `sys.monitoring.use_tool_id` and `free_tool_id` are C
//!   functions; their method definitions are made to point to wrappers which call the original and then [`update`]. (CPython
//!   has audit events for some of them, but a hook for audit events would slow every audited operation down.)
//!   Monitoring events can be set only for a tool that is in use, so a tool in use counts as active: `set_events` and
//!   `set_local_events` need no watching.
//! * What happens through the C API (`PyEval_SetTrace`) changes the instrumentation version in the threads'
//!   `eval_breaker`, which is compared at every frame's RESUME, at backward jumps, and after whatever may run other code.

use crate::context;
use core::ffi::{CStr, c_int};
use core::ptr;
use ffi::{PyCFunction, PyMethodDef, PyObject};
use hotspur_cpython_sys::*;

/// A wrapped C function: where its definition is, and what stood there.
struct Wrapped {
    module: Option<&'static CStr>,
    name: &'static CStr,
    flags: c_int,
    /// Whether our evaluation function has to be out of the way already when the function is called.
    step_aside: bool,
    wrapper: unsafe extern "C-unwind" fn(usize, usize, usize) -> *mut PyObject,
}

/// The functions that are wrapped. All the calling conventions involved pass at most three words.
static WRAPPED: [Wrapped; 8] = [
    Wrapped { module: None, name: c"settrace", flags: ffi::METH_O, step_aside: false, wrapper: wrapper::<0> },
    Wrapped { module: None, name: c"setprofile", flags: ffi::METH_O, step_aside: false, wrapper: wrapper::<1> },
    Wrapped {
        module: None,
        name: c"_settraceallthreads",
        flags: ffi::METH_O,
        step_aside: false,
        wrapper: wrapper::<2>,
    },
    Wrapped {
        module: None,
        name: c"_setprofileallthreads",
        flags: ffi::METH_O,
        step_aside: false,
        wrapper: wrapper::<3>,
    },
    Wrapped {
        module: Some(c"monitoring"),
        name: c"use_tool_id",
        flags: ffi::METH_FASTCALL,
        step_aside: false,
        wrapper: wrapper::<4>,
    },
    Wrapped {
        module: Some(c"monitoring"),
        name: c"free_tool_id",
        flags: ffi::METH_O,
        step_aside: false,
        wrapper: wrapper::<5>,
    },
    // perf's trampoline is a frame evaluation function, too, and refuses to replace another one.
    Wrapped {
        module: None,
        name: c"activate_stack_trampoline",
        flags: ffi::METH_O,
        step_aside: true,
        wrapper: wrapper::<6>,
    },
    Wrapped {
        module: None,
        name: c"deactivate_stack_trampoline",
        flags: ffi::METH_NOARGS,
        step_aside: true,
        wrapper: wrapper::<7>,
    },
];

type Original = unsafe extern "C-unwind" fn(usize, usize, usize) -> *mut PyObject;

/// The originals, filled in once at start with the GIL held and only read afterwards.
static mut ORIGINALS: [Option<Original>; WRAPPED.len()] = [None; WRAPPED.len()];

unsafe extern "C-unwind" fn wrapper<const I: usize>(a: usize, b: usize, c: usize) -> *mut PyObject {
    let original = ORIGINALS[I].unwrap_unchecked();
    // The definitions are all interpreters', but tier 1 runs in the main one only: others hold another GIL, their tools do
    // not concern us, and the hook is not to be put into them.
    if ffi::PyInterpreterState_Get() != ffi::PyInterpreterState_Main() {
        return original(a, b, c);
    }
    if WRAPPED[I].step_aside {
        context::step_aside();
    }
    let result = original(a, b, c);
    update();
    if WRAPPED[I].step_aside {
        // Unless somebody else's function is there now.
        context::restore_hook();
    }
    result
}

/// Puts the wrappers in place. Done once; they stay, and cost nothing but the look at what is active.
///
/// # Errors
/// Names the function that is not what we expect.
pub(crate) unsafe fn watch() -> Result<(), String> {
    for (i, wrapped) in WRAPPED.iter().enumerate() {
        let Some(definition) = find_definition(wrapped) else {
            ffi::PyErr_Clear();
            return Err(format!("sys has no built-in {:?} as CPython 3.13 has it", wrapped.name));
        };
        ORIGINALS[i] = Some(core::mem::transmute::<PyCFunction, Original>((*definition).ml_meth.PyCFunction));
        (*definition).ml_meth.PyCFunction = core::mem::transmute::<Original, PyCFunction>(wrapped.wrapper);
    }
    Ok(())
}

unsafe fn find_definition(wrapped: &Wrapped) -> Option<*mut PyMethodDef> {
    let function = match wrapped.module {
        // Borrowed, and kept alive by `sys` itself.
        None => ffi::PySys_GetObject(wrapped.name.as_ptr()),
        Some(module) => {
            let module = ffi::PySys_GetObject(module.as_ptr());
            if module.is_null() {
                return None;
            }
            let function = ffi::PyObject_GetAttrString(module, wrapped.name.as_ptr());
            xdecref(function);
            function
        }
    };
    if function.is_null() || ty(function) != &raw mut ffi::PyCFunction_Type {
        return None;
    }
    let definition = (*function.cast::<PyCFunctionObject>()).m_ml;
    ((*definition).ml_flags == wrapped.flags).then_some(definition)
}

/// Looks at what is active, and makes all threads' dispatch and the evaluation function fit.
pub(crate) unsafe fn update() {
    let active = tools_active(ffi::PyThreadState_Get().cast());
    context::set_tools_active(active);
}

/// Tools that users can register; ids 6 and 7 are the legacy tracers'.
const USER_TOOLS: c_int = 6;

/// Whether any event of tracing, profiling or monitoring is switched on anywhere.
///
/// Events that belong to no instruction (an exception is raised, handled, unwinds) leave no mark in the bytecode, so the
/// question is put to `sys.monitoring` itself.
pub(crate) unsafe fn tools_active(tstate: *mut ThreadState) -> bool {
    let mut t = tstate;
    while !(*t).prev.is_null() {
        t = (*t).prev;
    }
    while !t.is_null() {
        if !(*t).c_tracefunc.is_null() || !(*t).c_profilefunc.is_null() {
            return true;
        }
        t = (*t).next;
    }
    let raised = ffi::PyErr_GetRaisedException();
    let active = (0..USER_TOOLS).any(|id| ask(c"get_tool", id) != 0 || ask(c"get_events", id) != 0);
    if !raised.is_null() {
        ffi::PyErr_SetRaisedException(raised);
    }
    active
}

/// What `sys.monitoring.get_tool` (zero for none) or `get_events` (a set of bits) says of a tool.
unsafe fn ask(method: &CStr, id: c_int) -> u32 {
    // Borrowed.
    let monitoring = ffi::PySys_GetObject(c"monitoring".as_ptr());
    let function =
        if monitoring.is_null() { monitoring } else { ffi::PyObject_GetAttrString(monitoring, method.as_ptr()) };
    let arg = ffi::PyLong_FromLong(id.into());
    let got =
        if function.is_null() || arg.is_null() { ptr::null_mut() } else { ffi::PyObject_CallOneArg(function, arg) };
    xdecref(function);
    xdecref(arg);
    if got.is_null() {
        // Better slow than without events.
        ffi::PyErr_Clear();
        return u32::MAX;
    }
    let answer = if got == ffi::Py_None() {
        0
    } else if is_type(got, &raw mut ffi::PyLong_Type) {
        ffi::PyLong_AsLong(got) as u32
    } else {
        1
    };
    decref(got);
    answer
}

/// Fires an event that belongs to no instruction, for a frame of ours that an exception passes through while a tool is
/// active: it left a callee that ran on stock. (Once the frame executes an instruction, it is handed over itself.)
///
/// False if a callback raised; the exception being raised is then the callback's.
#[cold]
#[inline(never)]
pub(crate) unsafe fn fire(
    event: u32,
    ts: *mut ThreadState,
    frame: *mut InterpreterFrame,
    function: unsafe extern "C-unwind" fn(*mut PyMonitoringState, *mut PyObject, i32) -> c_int,
) -> bool {
    let raised = ffi::PyErr_GetRaisedException();
    let mut active = 0u8;
    for id in 0..USER_TOOLS {
        active |= u8::from(ask(c"get_events", id) & 1 << event != 0) << id;
    }
    // Of the two events, the legacy tracers listen to unwinding only.
    if event == PY_MONITORING_EVENT_PY_UNWIND {
        active |= u8::from(!(*ts).c_profilefunc.is_null()) << USER_TOOLS;
        active |= u8::from(!(*ts).c_tracefunc.is_null()) << (USER_TOOLS + 1);
    }
    ffi::PyErr_SetRaisedException(raised);
    if active == 0 || (*ts).tracing != 0 {
        return true;
    }
    let code = frame_code(frame);
    let offset = (*frame).instr_ptr.offset_from(code_units(code)) as i32 * 2;
    let mut state = PyMonitoringState { active, opaque: 0 };
    function(&raw mut state, code.cast(), offset) == 0
}
