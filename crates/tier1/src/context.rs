//! What tier 1 keeps per thread ([`Context`]) and per process.

use crate::Config;
use crate::dispatch::Handler;
use crate::ticks::{self, Pace};
use crate::tier2::{Landing, Tier2};
use crate::{table, tools};
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;
use std::collections::HashMap;

/// What the register `cx` of every handler points to: how a thread dispatches.
///
/// The dispatch table lies inside, so that the jump to the next instruction is one indexed load, and changing what a
/// thread's dispatch does (handing over, recording) is a copy into it.
#[repr(C)]
pub struct Context {
    /// The thread's state in CPython.
    pub tstate: *mut ThreadState,
    /// Where CPython keeps the installed frame evaluation function (null: its own).
    pub hook: *const *const c_void,
    /// The thread that this belongs to.
    pub thread: *mut Thread,
    /// Handlers by instruction number.
    pub table: [Handler; table::COUNT],
}

/// State of tier 1 in one thread.
pub struct Thread {
    /// Instrumentation version that the table was chosen for.
    pub version: usize,
    /// Whether some tool (`sys.settrace`, `sys.setprofile`, `sys.monitoring`) is active at `version`.
    pub tools_active: bool,
    /// Entry frames that are not in use, linked through `previous`.
    pub entry_frames: *mut InterpreterFrame,
    /// Whether instructions are noted, and what was noted.
    pub noting: bool,
    /// See `noting`.
    pub recorded: Vec<crate::record::Recorded>,
    /// Instructions that recording dispatch has seen, by number.
    pub instructions: [u64; table::COUNT],
    /// Whether tier 2 records a trace in this thread.
    pub tracing: bool,
    /// Whether somebody looks at each instruction, so that none may be executed together with others.
    pub watched: bool,
    /// Where the executor that tier 1 entered last has led to.
    pub landing: crate::tier2::Landing,
    /// The context that dispatches to the next instruction.
    pub running: Context,
    /// The context whose every handler is [`crate::tier2::stop`].
    pub stepping: Context,
}

/// State of tier 1 in the process. All of it is guarded by the GIL.
struct Process {
    extra_index: usize,
    stress: bool,
    tools_active: bool,
    set_hook: fn(bool),
    threads: HashMap<usize, Box<Thread>>,
    known: Known,
    counters: Counters,
    tier2: Option<&'static Tier2>,
    counting: bool,
    pace: Pace,
}

/// Objects that instructions compare with or need, looked up once. All references are held for good.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Known {
    pub none: *mut PyObject,
    pub true_: *mut PyObject,
    pub false_: *mut PyObject,
    pub len: *mut PyObject,
    pub isinstance: *mut PyObject,
    pub list_append: *mut PyObject,
    pub default_import: *mut PyObject,
    pub empty_string: *mut PyObject,
    /// `small_ints[i]` is the integer `i - 5`; they lie one behind the other.
    pub small_ints: *mut PyLongObject,
    /// `_PyFunction_Vectorcall`: how functions are called unless somebody changed it.
    pub function_vectorcall: *const c_void,
    /// What gets `__dict__` of instances of classes that are written in Python.
    pub dict_getter: *const c_void,
    /// `type.__call__` as a slot.
    pub type_call: *const c_void,
    /// `object.__new__` as a slot.
    pub object_new: *const c_void,
    pub name_import: *mut PyObject,
    pub name_build_class: *mut PyObject,
    pub name_annotations: *mut PyObject,
    pub name_enter: *mut PyObject,
    pub name_exit: *mut PyObject,
    pub name_aenter: *mut PyObject,
    pub name_aexit: *mut PyObject,
    pub name_send: *mut PyObject,
    pub name_init: *mut PyObject,
    pub name_getitem: *mut PyObject,
    pub name_getattribute: *mut PyObject,
    pub name_getattr: *mut PyObject,
    pub name_spec: *mut PyObject,
    pub name_name: *mut PyObject,
    pub name_class: *mut PyObject,
    pub name_instancecheck: *mut PyObject,
}

/// What tier 1 did so far in this process.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counters {
    /// Activations of the evaluation loop that tier 1 took.
    pub entries: u64,
    /// Activations that were passed on to the stock interpreter because a tool was active.
    pub passed_on: u64,
    /// Frames handed over to the stock interpreter midway.
    pub handed_over: u64,
    /// Code objects decoded.
    pub decoded: u64,
    /// Instructions executed in tier 1, while they are counted (see [`count_instructions`]) or recorded. The RESUME of a
    /// `yield from`, which is taken along by what resumes it, is not counted.
    pub instructions: u64,
}

struct Global(UnsafeCell<Option<Process>>);
// SAFETY: only touched by threads that hold the GIL of the main interpreter.
unsafe impl Sync for Global {}
static PROCESS: Global = Global(UnsafeCell::new(None));

/// Copies of the two fields that the hottest paths read, so that they need no `Option` check.
struct Hot(UnsafeCell<(usize, *mut Context)>);
// SAFETY: as for `Global`.
unsafe impl Sync for Hot {}
static HOT: Hot = Hot(UnsafeCell::new((0, ptr::null_mut())));

#[inline]
unsafe fn process() -> &'static mut Process {
    (*PROCESS.0.get()).as_mut().unwrap_unchecked()
}

/// Index of our slot in code objects' extra data.
///
/// # Safety
/// GIL held, after [`initialize`].
#[inline(always)]
pub unsafe fn extra_index() -> usize {
    (*HOT.0.get()).0
}

/// Says to all threads, and to the owner of the evaluation function, whether a tool is active.
pub(crate) unsafe fn set_tools_active(active: bool) {
    let process = process();
    for thread in process.threads.values_mut() {
        thread.set_tools_active(active);
    }
    if let Some(tier2) = process.tier2 {
        (tier2.tools_changed)(active);
    }
    if process.tools_active != active {
        process.tools_active = active;
        (process.set_hook)(!active);
    }
}

/// Whether a function that the caller has just installed as the frame evaluation function is where we look for it.
///
/// # Safety
/// The GIL must be held, and [`eval_frame`](crate::eval_frame) be installed.
#[inline(never)]
pub unsafe fn hook_is_found() -> bool {
    let tstate = ffi::PyThreadState_Get().cast::<ThreadState>();
    *(*tstate).interp.byte_add(INTERP_EVAL_FRAME_OFFSET).cast::<*const c_void>() == crate::eval_frame as *const c_void
}

/// Takes our evaluation function out.
pub(crate) unsafe fn step_aside() {
    (process().set_hook)(false);
}

/// Somebody has put CPython's own evaluation function back where ours was. Asks for ours to be put back, unless it is out of
/// the way for a tool; the owner refuses if he does not want it.
pub(crate) unsafe fn restore_hook() {
    let process = process();
    if !process.tools_active {
        (process.set_hook)(true);
    }
}

/// Objects looked up at start.
#[inline(always)]
pub unsafe fn known() -> &'static Known {
    &process().known
}

pub(crate) fn stress() -> bool {
    // SAFETY: called by decoding, with the GIL held and after initialization.
    unsafe { process().stress }
}

pub(crate) unsafe fn count_decoded() {
    process().counters.decoded += 1;
}

pub(crate) unsafe fn counters_mut() -> &'static mut Counters {
    &mut process().counters
}

/// Tier 2, if it was registered.
#[inline(always)]
pub(crate) unsafe fn tier2() -> Option<&'static Tier2> {
    process().tier2
}

/// Registers tier 2: code that is decoded from now on counts its loops and entries.
///
/// # Safety
/// GIL held, after [`initialize`].
#[inline(never)]
pub unsafe fn register_tier2(tier2: &'static Tier2) {
    process().tier2 = Some(tier2);
}

/// Registers another tier 2, or none, and returns the one that was registered: for tools that look into a part of tier 2.
///
/// # Safety
/// GIL held, after [`initialize`]. Executors that streams enter must be understood by the new one.
#[inline(never)]
pub unsafe fn swap_tier2(tier2: Option<&'static Tier2>) -> Option<&'static Tier2> {
    core::mem::replace(&mut process().tier2, tier2)
}

/// What tier 1 did so far; all zeros before [`initialize`].
#[inline(never)]
pub fn counters() -> Counters {
    // SAFETY: callers hold the GIL.
    let Some(process) = (unsafe { (*PROCESS.0.get()).as_ref() }) else { return Counters::default() };
    let instructions = process.threads.values().flat_map(|thread| &thread.instructions).sum();
    Counters { instructions, ..process.counters }
}

/// How often each instruction was executed in tier 1, by number: [`Counters::instructions`] in detail.
#[inline(never)]
pub fn instructions_executed() -> [u64; table::COUNT] {
    let mut sums = [0; table::COUNT];
    // SAFETY: callers hold the GIL.
    if let Some(process) = unsafe { (*PROCESS.0.get()).as_ref() } {
        for thread in process.threads.values() {
            sums.iter_mut().zip(&thread.instructions).for_each(|(sum, n)| *sum += n);
        }
    }
    sums
}

/// Sets the pace of all threads.
///
/// # Safety
/// GIL held, after [`initialize`].
#[inline(never)]
pub unsafe fn set_pace(pace: Pace) {
    process().pace = pace;
    choose_tables();
}

/// Something has changed that the dispatch of all threads depends on.
unsafe fn choose_tables() {
    process().threads.values_mut().for_each(|thread| thread.choose_table());
}

fn pace() -> Pace {
    // SAFETY: as for `counting`.
    unsafe { process().pace }
}

fn counting() -> bool {
    // SAFETY: threads exist only after initialization, and are touched with the GIL held.
    unsafe { process().counting }
}

/// Whether all instructions that tier 1 executes are counted from now on, in [`Counters::instructions`]. That is slow.
///
/// # Safety
/// GIL held, after [`initialize`].
#[inline(never)]
pub unsafe fn count_instructions(on: bool) {
    process().counting = on;
    choose_tables();
}

/// Sets tier 1 up: once per process; later calls do nothing.
///
/// # Errors
/// A message for the user when the interpreter is not what we know.
///
/// # Safety
/// The GIL of the main interpreter must be held, and the layout have been verified.
#[inline(never)]
pub unsafe fn initialize(config: &Config) -> Result<(), String> {
    if (*PROCESS.0.get()).is_some() {
        return Ok(());
    }
    let index = PyUnstable_Eval_RequestCodeExtraIndex(Some(crate::code::free_state));
    if index < 0 {
        ffi::PyErr_Clear();
        return Err("no slot left for extra data in code objects".into());
    }
    let Some(known) = look_up_known() else {
        ffi::PyErr_Clear();
        return Err("the builtins module lacks what every CPython has".into());
    };
    if !find_allocators() {
        return Err("the table of allocators is not in the runtime's state".into());
    }
    (*HOT.0.get()).0 = index as usize;
    *PROCESS.0.get() = Some(Process {
        extra_index: index as usize,
        stress: config.stress,
        tools_active: false,
        set_hook: config.set_hook,
        threads: HashMap::new(),
        tier2: None,
        counting: false,
        pace: Pace::Free,
        known,
        counters: Counters::default(),
    });
    debug_assert_eq!(process().extra_index, extra_index());
    if !crate::shims::initialize() {
        ffi::PyErr_Clear();
        return Err("the functions that operators of classes need cannot be made".into());
    }
    if !crate::consumers::initialize() {
        ffi::PyErr_Clear();
        return Err("the functions that consume generators cannot be made".into());
    }
    tools::watch()
}

unsafe fn look_up_known() -> Option<Known> {
    let builtins = ffi::PyImport_ImportModule(c"builtins".as_ptr());
    if builtins.is_null() {
        return None;
    }
    let get = |name: &core::ffi::CStr| {
        let found = ffi::PyObject_GetAttrString(builtins, name.as_ptr());
        (!found.is_null()).then_some(found)
    };
    let intern = |name: &core::ffi::CStr| {
        let s = ffi::PyUnicode_InternFromString(name.as_ptr());
        (!s.is_null()).then_some(s)
    };
    let list_type = &raw mut ffi::PyList_Type;
    let append = intern(c"append")?;
    let list_append = _PyType_Lookup(list_type, append);
    let zero = ffi::PyLong_FromLong(-5).cast::<PyLongObject>();
    // `int` objects for small values are static and adjacent: the specializations that index them rely on it.
    for i in [0, 5, 100, 261] {
        if zero.add(i).cast::<PyObject>() != ffi::PyLong_FromLong(i as i64 - 5) {
            return None;
        }
    }
    // Any function written in Python will do: its vectorcall is the function that we want the address of.
    let globals = ffi::PyDict_New();
    let function = ffi::PyRun_String(c"lambda: None".as_ptr(), ffi::Py_eval_input, globals, globals);
    if function.is_null() {
        return None;
    }
    let vectorcall = (*function.cast::<PyFunctionObject>()).vectorcall? as *const c_void;
    decref(function);
    // And so will any class in Python. One that is made and dropped would be garbage for the collector to count.
    let class = c"__import__('_frozen_importlib').ModuleSpec";
    let class = ffi::PyRun_String(class.as_ptr(), ffi::Py_eval_input, globals, globals);
    if class.is_null() {
        return None;
    }
    let dict_getter = getter(_PyType_Lookup(class.cast(), intern(c"__dict__")?));
    decref(class);
    if dict_getter.is_null() {
        return None;
    }
    decref(globals);
    let known = Known {
        none: ffi::Py_None(),
        true_: ffi::Py_True(),
        false_: ffi::Py_False(),
        len: get(c"len")?,
        isinstance: get(c"isinstance")?,
        list_append: (!list_append.is_null()).then_some(newref(list_append))?,
        default_import: get(c"__import__")?,
        empty_string: ffi::PyUnicode_FromStringAndSize(c"".as_ptr(), 0),
        small_ints: zero,
        function_vectorcall: vectorcall,
        dict_getter,
        type_call: ffi::PyType_Type.tp_call.map_or(ptr::null(), |f| f as *const c_void),
        object_new: ffi::PyBaseObject_Type.tp_new.map_or(ptr::null(), |f| f as *const c_void),
        name_import: intern(c"__import__")?,
        name_build_class: intern(c"__build_class__")?,
        name_annotations: intern(c"__annotations__")?,
        name_enter: intern(c"__enter__")?,
        name_exit: intern(c"__exit__")?,
        name_aenter: intern(c"__aenter__")?,
        name_aexit: intern(c"__aexit__")?,
        name_send: intern(c"send")?,
        name_init: intern(c"__init__")?,
        name_getitem: intern(c"__getitem__")?,
        name_getattribute: intern(c"__getattribute__")?,
        name_getattr: intern(c"__getattr__")?,
        name_spec: intern(c"__spec__")?,
        name_name: intern(c"__name__")?,
        name_class: intern(c"__class__")?,
        name_instancecheck: intern(c"__instancecheck__")?,
    };
    decref(builtins);
    decref(append);
    Some(known)
}

/// The context of the thread that asked for its context last; null if none has.
#[inline(always)]
pub(crate) unsafe fn last_context() -> *mut Context {
    (*HOT.0.get()).1
}

/// The C function that gets an attribute, by the attribute's descriptor. Null if it is not one of those.
pub unsafe fn getter(descriptor: *mut PyObject) -> *const c_void {
    if descriptor.is_null() || !is_type(descriptor, &raw mut ffi::PyGetSetDescr_Type) {
        return ptr::null();
    }
    (*(*descriptor.cast::<PyGetSetDescrObject>()).d_getset).get.map_or(ptr::null(), |f| f as *const c_void)
}

/// The context of a thread.
#[inline(always)]
pub unsafe fn context_of(tstate: *mut ThreadState) -> *mut Context {
    let last = last_context();
    if !last.is_null() && (*last).tstate == tstate {
        return last;
    }
    find_context(tstate)
}

#[cold]
#[inline(never)]
unsafe fn find_context(tstate: *mut ThreadState) -> *mut Context {
    let hook = (*tstate).interp.byte_add(INTERP_EVAL_FRAME_OFFSET).cast::<*const c_void>().cast_const();
    // A thread is found again under the address of its thread state. When that address gets a new thread, the old one's
    // entry serves it: what it says of tools is kept up to date for all threads, used or not, and the rest does not
    // depend on the thread.
    let thread: *mut Thread = &raw mut **process().threads.entry(tstate as usize).or_insert_with(|| {
        let context = |table| Context { tstate, hook, thread: ptr::null_mut(), table };
        Box::new(Thread {
            version: usize::MAX,
            tools_active: false,
            entry_frames: ptr::null_mut(),
            noting: false,
            recorded: Vec::new(),
            instructions: [0; table::COUNT],
            tracing: false,
            watched: false,
            landing: Landing::default(),
            running: context(table::NORMAL),
            stepping: context([crate::tier2::stop; table::COUNT]),
        })
    });
    (*thread).running.thread = thread;
    (*thread).stepping.thread = thread;
    (*thread).choose_table();
    let context = &raw mut (*thread).running;
    (*HOT.0.get()).1 = context;
    context
}

impl Thread {
    fn set_tools_active(&mut self, active: bool) {
        self.tools_active = active;
        self.choose_table();
    }

    /// Makes the thread's dispatch what its state asks for.
    pub(crate) fn choose_table(&mut self) {
        self.watched = self.noting || self.tracing || counting();
        self.running.table = match (self.tools_active, self.watched) {
            (true, _) => table::HAND_OVER,
            (false, true) => table::RECORDING,
            (false, false) => match pace() {
                Pace::Free => table::NORMAL,
                Pace::Counted => ticks::COUNTED,
                Pace::Alone => ticks::ALONE,
            },
        };
    }
}

impl Context {
    /// The thread's state.
    #[inline(always)]
    pub unsafe fn thread<'a>(this: *mut Context) -> &'a mut Thread {
        &mut *(*this).thread
    }

    /// Whether the thread is up to date with its instrumentation version.
    #[inline(always)]
    pub unsafe fn is_fresh(this: *mut Context) -> bool {
        (*(*this).thread).version == (*(*this).tstate).eval_breaker & !EVAL_EVENTS_MASK
    }

    /// Brings the thread up to date with its instrumentation version.
    #[inline(always)]
    pub unsafe fn refresh(this: *mut Context) {
        if !Context::is_fresh(this) {
            Context::refresh_slow(this);
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn refresh_slow(this: *mut Context) {
        tools::update();
        (*(*this).thread).version = (*(*this).tstate).eval_breaker & !EVAL_EVENTS_MASK;
    }
}
